//! The properties that the fuzz targets hold, for tests: no special compiler is needed.

#[expect(dead_code, reason = "the fuzz targets use the rest")]
#[path = "../fuzz/properties/mod.rs"]
pub mod properties;
