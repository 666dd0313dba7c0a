//! The job of the benchmarks by other languages and by hand, on the same records, in turn.
//!
//! Every round runs all of them once over all records, so that what else the machine does hits all alike; what is printed
//! are medians over the rounds, and medians of the ratios within a round. Time is the thread's own time on a processor, which
//! other work does not count into (of node: its process'). Before the first round, every output is compared.

#[path = "../../job/mod.rs"]
mod job;

mod dwmap_way;
mod jaq_way;
mod jsonata_way;
mod luajit_way;
mod rhai_way;
mod typed_way;
mod value_way;
mod vrl_way;
mod wire;

use rustix::time::{ClockId, clock_gettime};
use serde_json::Value as Json;

/// Records of a round.
const RECORDS: usize = 5_000;
/// Rounds where nothing else is asked for.
const ROUNDS: usize = 15;

/// One way to do the job.
pub trait Peer {
    fn name(&self) -> &'static str;

    /// Maps every record once; how many accounts there are.
    fn round(&mut self) -> usize;

    /// A round, and the nanoseconds that it was on a processor.
    fn timed(&mut self) -> (usize, i64) {
        let start = own_time_ns();
        let accounts = self.round();
        (accounts, own_time_ns() - start)
    }

    /// The account of one customer, as JSON; `None`: not an organisation.
    fn account(&mut self, number: usize) -> Option<Json>;

    /// It has no decimals: halves of a cent may fall to the other side.
    fn has_floats_only(&self) -> bool {
        false
    }
}

fn main() {
    let argument = |name: &str| std::env::args().skip_while(|it| it != name).nth(1).map(|it| it.parse().expect("a number"));
    let (count, rounds) = (argument("--records").unwrap_or(RECORDS), argument("--rounds").unwrap_or(ROUNDS));
    let records = job::records::records(7, count);
    let texts: Vec<String> = records.iter().enumerate().map(|(number, it)| wire::customer(it, number).to_string()).collect();
    let bytes = texts.iter().map(String::len).sum::<usize>() / texts.len();
    println!("{count} records of {bytes} bytes of JSON on average, {rounds} rounds\n");

    let mut mapping: Vec<Box<dyn Peer + '_>> = vec![
        Box::new(dwmap_way::ByHand::new(&records)),
        Box::new(dwmap_way::Mapped::new(&records)),
        Box::new(typed_way::Mapped::new(&texts)),
        Box::new(value_way::Mapped::new(&texts)),
        Box::new(luajit_way::Mapped::new(&texts)),
        Box::new(vrl_way::Mapped::new(&texts)),
        Box::new(rhai_way::Mapped::new(&texts)),
        Box::new(jaq_way::Mapped::new(&texts)),
    ];
    match jsonata_way::Mapped::start(&texts) {
        Ok(it) => mapping.push(Box::new(it)),
        Err(why) => println!("JSONata is left out: {why}.\n"),
    }
    println!("## Mapping only: records are in memory, one thread\n");
    measure(&mut mapping, count, rounds);
    drop(mapping);

    let mut whole: Vec<Box<dyn Peer + '_>> = vec![
        Box::new(typed_way::Whole::new(&texts)),
        Box::new(dwmap_way::Whole::new(&texts)),
        Box::new(value_way::Whole::new(&texts)),
        Box::new(vrl_way::Whole::new(&texts)),
        Box::new(jaq_way::Whole::new(&texts)),
    ];
    println!("\n## JSON text to JSON text, one thread\n");
    measure(&mut whole, count, rounds);
}

fn measure(peers: &mut [Box<dyn Peer + '_>], count: usize, rounds: usize) {
    compare(peers, count);
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); peers.len()];
    let accounts = peers[0].round();
    for _ in 0..rounds {
        for (peer, times) in peers.iter_mut().zip(&mut times) {
            let (kept, ns) = peer.timed();
            assert_eq!(kept, accounts, "{} keeps as many records", peer.name());
            times.push(ns as f64 / count as f64);
        }
    }
    println!("| implementation | ns/record | against the first | against dwmap |\n|---|---|---|---|");
    let dwmap = peers.iter().position(|it| it.name().starts_with("dwmap")).expect("dwmap is one of them");
    for (peer, own) in peers.iter().zip(&times) {
        let against = |other: &[f64]| median(own.iter().zip(other).map(|(own, other)| own / other).collect());
        let (first, ours) = (against(&times[0]), against(&times[dwmap]));
        println!("| {} | {:.0} | {first:.2} | {ours:.2} |", peer.name(), median(own.clone()));
    }
}

/// What this thread has spent on a processor.
fn own_time_ns() -> i64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec * 1_000_000_000 + time.tv_nsec
}

fn median(mut of: Vec<f64>) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// All give what the first gives, for every record.
fn compare(peers: &mut [Box<dyn Peer + '_>], count: usize) {
    let mut off_by_half = vec![0; peers.len()];
    for number in 0..count {
        let expected = peers[0].account(number);
        for (peer, off_by_half) in peers[1..].iter_mut().zip(&mut off_by_half[1..]) {
            let given = peer.account(number);
            match (&expected, &given) {
                (None, None) => {}
                (Some(Json::Object(expected)), Some(Json::Object(given))) => {
                    assert_eq!(expected.len(), given.len(), "{}, record {number}", peer.name());
                    for (name, expected) in expected {
                        let given = given.get(name).unwrap_or_else(|| panic!("{}: `{name}` is there", peer.name()));
                        let is_same = wire::is_same(expected, given);
                        if !is_same && name == "balance" && peer.has_floats_only() && wire::is_near(expected, given) {
                            *off_by_half += 1;
                            continue;
                        }
                        assert!(is_same, "{}, record {number}, `{name}`: {given} and not {expected}", peer.name());
                    }
                }
                _ => panic!("{}, record {number}: {given:?} and not {expected:?}", peer.name()),
            }
        }
    }
    for (peer, off_by_half) in peers.iter().zip(off_by_half).filter(|(_, off)| *off > 0) {
        println!("{}: {off_by_half} of {count} balances are a cent off, for want of decimals.", peer.name());
    }
}
