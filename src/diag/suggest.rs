//! The nearest name to one that does not exist.

/// Longest word that is compared; longer ones get no suggestion.
const WORD_MAX: usize = 128;

/// The candidate that needs the fewest edits, if that is few enough to be a slip.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = word.chars().count();
    // A name with another letter in every place is another name.
    let limit = (letters / 3).max(1).min(letters.saturating_sub(1));
    candidates.into_iter().map(|it| (distance(word, it), it)).filter(|(edits, _)| *edits <= limit).min().map(|(_, it)| it)
}

/// Another candidate is as near as the nearest one, so that a tool cannot know which was meant.
pub fn is_ambiguous<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> bool {
    let mut edits: Vec<(usize, &str)> = candidates.into_iter().map(|it| (distance(word, it), it)).collect();
    edits.sort_unstable();
    edits.dedup();
    matches!(edits.as_slice(), [(first, _), (second, _), ..] if first == second)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words, without case.
fn distance(left: &str, right: &str) -> usize {
    let (left, right): (Vec<char>, Vec<char>) = (left.to_lowercase().chars().collect(), right.to_lowercase().chars().collect());
    if left.len() > WORD_MAX || right.len() > WORD_MAX {
        return usize::MAX;
    }
    let mut rows = vec![(0..=right.len()).collect::<Vec<usize>>()];
    for (i, a) in left.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in right.iter().enumerate() {
            let mut best = (rows[i][j] + usize::from(a != b)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *a == right[j - 1] && left[i - 1] == *b {
                best = best.min(rows[i - 1][j - 1] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[left.len()][right.len()]
}
