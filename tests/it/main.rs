//! All integration tests in one binary.

mod broken;
mod connectors;
mod demo_data;
mod diag;
mod diagnostics;
mod editors;
mod format;
mod kernel;
mod layers;
mod lowering;
mod maps;
mod metadata;
mod odata;
mod pages;
mod sandbox;
mod store;
mod syntax;
