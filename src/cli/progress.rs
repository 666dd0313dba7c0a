//! Progress on standard error: bars on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Mutex;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::change::Side;
use crate::runtime::deployment::{Note, Watcher};
use crate::store::Phase;

/// Shows what a deployment does.
pub struct Progress {
    /// `None`: not a terminal.
    bars: Option<MultiProgress>,
    maps: Mutex<BTreeMap<String, Map>>,
    /// System names of each map, left and right.
    systems: BTreeMap<String, [String; 2]>,
}

#[derive(Default)]
struct Map {
    bar: Option<ProgressBar>,
    read: [u64; 2],
}

impl Progress {
    /// For the maps of a program.
    pub fn new(program: &crate::ir::Program) -> Self {
        let bars = std::io::stderr().is_terminal().then(MultiProgress::new);
        let names = |plan: &crate::ir::Plan| Side::BOTH.map(|it| program.system(plan, it).to_owned());
        let systems = program.plans.iter().map(|it| (it.name.clone(), names(it))).collect();
        Self { bars, maps: Mutex::default(), systems }
    }

    fn line(&self, text: &str) {
        match &self.bars {
            // A terminal that went away does not stop the work.
            Some(bars) => drop(bars.println(text)),
            None => eprintln!("{text}"),
        }
    }

    fn system(&self, plan: &str, side: Side) -> &str {
        self.systems.get(plan).map_or("", |it| it[side.index()].as_str())
    }
}

fn style() -> ProgressStyle {
    let style = ProgressStyle::with_template("{prefix:20} {bar:30} {pos:>7}/{len:<7} {msg}");
    style.expect("the template is a constant that indicatif reads")
}

impl Watcher for Progress {
    fn note(&self, plan: &str, note: Note) {
        let mut maps = self.maps.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let map = maps.entry(plan.to_owned()).or_default();
        if let (None, Some(bars), Note::Read { .. } | Note::Applied { .. }) = (&map.bar, &self.bars, &note) {
            let bar = bars.add(ProgressBar::new(0).with_style(style()).with_prefix(plan.to_owned()));
            map.bar = Some(bar);
        }
        match note {
            Note::Read { side, rows, is_complete } => {
                map.read[side.index()] = rows;
                let words = format!("read {} left, {} right", map.read[0], map.read[1]);
                match &map.bar {
                    Some(bar) => bar.set_message(words),
                    None if is_complete => self.line(&format!("{plan}: {rows} rows read from {}", self.system(plan, side))),
                    None => {}
                }
            }
            Note::Applied { done, total } => match &map.bar {
                Some(bar) => {
                    bar.set_length(total);
                    bar.set_position(done);
                }
                None if done == total => self.line(&format!("{plan}: {done} of {total} rows dealt with")),
                None => {}
            },
            Note::Unreadable { side, message, retry_in } => {
                let (system, seconds) = (self.system(plan, side), retry_in.as_secs_f64());
                self.line(&format!("{plan}: {system} cannot be read, next try in {seconds:.1} s: {message}"));
            }
            Note::Phase(Phase::Running) => match map.bar.take() {
                Some(bar) => bar.finish_with_message("in step"),
                None => self.line(&format!("{plan}: in step")),
            },
            Note::Said(text) => self.line(&text),
            Note::Phase(_) | Note::Done { .. } => {}
        }
    }
}
