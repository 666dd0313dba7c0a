//! Letter case without a look at what stands beside a letter.
//!
//! In Greek a small sigma has another form at the end of a word, and Rust's `to_lowercase` chooses it. No store's comparison does so: it
//! would tell two texts apart by what they are joined to.

/// Every letter by itself in its small form.
pub fn to_small_letters(text: &str) -> String {
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.chars().flat_map(char::to_lowercase).collect() }
}

/// One form for all texts that differ in letter case alone. Both small sigmas are one letter.
pub fn fold_case(text: &str) -> String {
    let small = to_small_letters(text);
    if small.is_ascii() { small } else { small.replace('ς', "σ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_small_alone_as_it_is_in_a_word() {
        for text in ["", "Contoso AG", "ΒΣ", "ΒΣC-", "İ", "Straße"] {
            for (at, _) in text.char_indices() {
                let (head, tail) = text.split_at(at);
                assert_eq!(to_small_letters(text), to_small_letters(head) + &to_small_letters(tail), "{text}");
            }
        }
        assert_eq!(to_small_letters("ΒΣ ς"), "βσ ς");
    }

    #[test]
    fn texts_that_differ_in_case_alone_have_one_form() {
        for (one, other) in [("ΟΔΟΣ", "οδος"), ("οδοσ", "οδος"), ("Ab", "aB"), ("ÉTÉ", "été")] {
            assert_eq!(fold_case(one), fold_case(other));
        }
        assert_ne!(fold_case("ß"), fold_case("ss"));
    }
}
