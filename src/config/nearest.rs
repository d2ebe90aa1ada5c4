//! Which known word a misspelt one was probably meant to be.

/// The known word nearest to `word`, if one is near enough to be meant.
#[must_use]
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let fold =
        |s: &str| -> Vec<char> { s.chars().filter(|c| !matches!(c, '_' | '-')).flat_map(char::to_lowercase).collect() };
    // Longer than anything that could be a slip of the pen.
    if word.len() > 64 {
        return None;
    }
    let folded = fold(word);
    known
        .iter()
        .map(|k| (distance(&folded, &fold(k)), *k))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, k)| *distance <= (k.len() / 3).max(1))
        .map(|(_, k)| k)
}

/// How many letters must be put in, taken out, changed or swapped with their neighbour.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let at = |row: &[usize], n: usize| row.get(n).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&above, j) + usize::from(x != y)).min(at(&above, j + 1) + 1).min(at(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(y) && b.get(j - 1) == Some(x);
            if swapped {
                best = best.min(at(&before, j - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or_default()
}

/// `a`, `b` and `c`.
#[must_use]
pub fn list(words: &[&str], joint: &str) -> String {
    let quoted: Vec<String> = words.iter().map(|w| format!("`{w}`")).collect();
    match quoted.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} {joint} {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [&str; 5] = ["leeway", "max_lifetime", "secret_encoding", "open_apps", "tls"];

    #[test]
    fn slips_of_the_pen_find_their_word_and_other_words_none() {
        for (slip, meant) in [
            ("leway", "leeway"),
            ("leewya", "leeway"),
            ("Leeway", "leeway"),
            ("maxLifetime", "max_lifetime"),
            ("max-lifetime", "max_lifetime"),
            ("secret_encodng", "secret_encoding"),
            ("tsl", "tls"),
        ] {
            assert_eq!(nearest(slip, &KEYS), Some(meant), "{slip}");
        }
        for other in ["timeout", "x", "", "audience", &"leeway".repeat(20)] {
            assert_eq!(nearest(other, &KEYS), None, "{other}");
        }
    }

    #[test]
    fn lists_read_like_a_sentence() {
        assert_eq!(list(&["a"], "and"), "`a`");
        assert_eq!(list(&["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }
}
