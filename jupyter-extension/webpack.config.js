// Read by Jupyter's builder.
module.exports = {
  // Without `?v=` Jupyter Server sends "no-cache" with an asset, so that every page load would fetch the WebAssembly
  // module anew.
  output: { assetModuleFilename: '[name].[contenthash][ext]?v=[contenthash]' },
  // The module's size has a budget of its own, in `npm test`.
  performance: { hints: false }
};
