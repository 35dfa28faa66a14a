//! Dashboards for browsers, and the pass-through to the gateway for Python.
