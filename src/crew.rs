//! Many hands for pieces of work that know nothing of each other. The answers come in the order of the pieces, so that nobody can
//! tell how many hands there were: the layers above stay pure, though their work is divided.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Most threads of one piece of work.
const HANDS_MAX: usize = 8;
/// Stack of a hand in bytes, as much as the first thread of a program has: texts are nested as deep for all.
const STACK_BYTES: usize = 8 * 1024 * 1024;

/// What the work makes of each piece. A hand takes so many pieces at a time; with no more than that, nobody is called.
pub fn each<T: Sync, R: Send>(pieces: &[T], at_a_time: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let at_a_time = at_a_time.max(1);
    let hands = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(HANDS_MAX).min(pieces.len().div_ceil(at_a_time));
    if hands <= 1 {
        return pieces.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let chunks: Vec<&[T]> = pieces.chunks(at_a_time).collect();
    let hand = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(chunk) = chunks.get(index) else { return done };
            done.push((index, chunk.iter().map(&work).collect::<Vec<R>>()));
        }
    };
    let mut done: Vec<(usize, Vec<R>)> = thread::scope(|scope| {
        let called = (1..hands).filter_map(|_| thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, hand).ok());
        let called: Vec<_> = called.collect();
        // A system without room for another thread is served by this one.
        let own = hand();
        let others = called.into_iter().flat_map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        own.into_iter().chain(others.collect::<Vec<_>>()).collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().flat_map(|(_, it)| it).collect()
}

#[cfg(test)]
mod tests {
    use super::each;

    #[test]
    fn answers_come_in_the_order_of_the_pieces() {
        let pieces: Vec<usize> = (0..1_000).collect();
        assert_eq!(each(&pieces, 7, |it| it * 2), pieces.iter().map(|it| it * 2).collect::<Vec<_>>());
        assert_eq!(each(&pieces[..3], 7, |it| it + 1), [1, 2, 3]);
        assert_eq!(each(&[] as &[usize], 7, |it| it + 1), [0; 0]);
    }

    #[test]
    fn a_panic_of_one_hand_is_the_callers() {
        let pieces: Vec<usize> = (0..100).collect();
        let caught = std::panic::catch_unwind(|| each(&pieces, 1, |it| assert!(*it != 63, "sixty-three")));
        assert!(caught.is_err());
    }
}
