//! Dask's comm protocol: framing, handshake, TLS with the gateway's SNI, RPC, typed replies.
