//! All integration tests in one binary.

mod broken;
mod circles;
mod connectors;
mod demo_data;
mod diag;
mod diagnostics;
mod editors;
mod format;
mod kernel;
mod lowering;
mod maps;
mod metadata;
mod odata;
mod pages;
mod sandbox;
mod simulate;
mod stage;
mod store;
mod syntax;
