//! The browser's door: routes, errors, origin and token checks.
