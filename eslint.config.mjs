import js from '@eslint/js';
import globals from 'globals';

export default [
  // The extension has its own rules, for TypeScript.
  { ignores: ['jupyter-extension/', 'target/', '.venv*/', 'frontend/'] },
  js.configs.recommended,
  {
    languageOptions: {
      ecmaVersion: 2024,
      sourceType: 'module',
      // Scenarios hand functions over to the page.
      globals: { ...globals.node, ...globals.browser }
    },
    rules: {
      curly: ['error', 'all'],
      eqeqeq: 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'prefer-const': 'error'
    }
  }
];
