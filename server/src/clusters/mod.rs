//! Life of a cluster: list, create, scale, adapt, watch, stop.
