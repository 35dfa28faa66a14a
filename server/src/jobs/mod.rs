//! Jobs: code that runs in a kernel of the Jupyter Server, with its output stored.
