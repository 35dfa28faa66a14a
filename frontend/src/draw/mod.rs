//! Canvas drawing.
