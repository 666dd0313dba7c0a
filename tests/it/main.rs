//! All integration tests in one binary.

mod broken;
mod connectors;
mod demo_data;
mod diag;
mod diagnostics;
mod editors;
mod format;
mod functions;
mod kernel;
mod lowering;
mod maps;
mod metadata;
mod odata;
mod pages;
mod push;
mod sandbox;
mod store;
mod syntax;
