//! Dask's configuration, the Dask Gateway's REST API and its authentication.
