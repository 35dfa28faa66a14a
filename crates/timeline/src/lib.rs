//! The task stream's index: lanes of rectangles, level of detail, raster. Native and wasm; no I/O.
