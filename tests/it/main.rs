//! All integration tests in one binary.

mod broken;
mod cli;
mod connectors;
mod demo_data;
mod deployment;
mod diag;
mod diagnostics;
mod editors;
mod folder;
mod format;
mod functions;
mod kernel;
mod layers;
mod lowering;
mod maps;
mod metadata;
mod odata;
mod pages;
mod push;
mod readme;
mod sandbox;
mod sqlite_pair;
mod store;
mod syntax;
mod tidy;
