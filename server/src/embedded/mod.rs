//! The local Dask Gateway and the private Jupyter Server as children of ours.
