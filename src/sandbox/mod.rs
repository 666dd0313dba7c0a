//! Simulated Dataverse and Finance & Operations over HTTP, for demos, tests and people without a tenant.

pub mod data;
