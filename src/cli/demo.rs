//! `dwmap demo`
use super::Result;
#[derive(clap::Args)]
pub struct Args {}
pub fn run(_: &Args) -> Result {
    unreachable!()
}
