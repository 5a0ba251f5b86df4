//! The nearest known name to one that is not known. Pure.

/// Longer names are nobody's slip, and the comparison takes time proportional to the product of the lengths.
const LONGEST: usize = 40;

/// The candidate that `name` was most likely meant to be, if one is near enough: the same but for case, dashes and
/// underscores, or a few letters wrong.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let folded = fold(name);
    let allowed = folded.len().div_ceil(3).min(3);
    candidates
        .into_iter()
        .map(|candidate| (distance(&folded, &fold(candidate)), candidate))
        .filter(|(far, _)| *far <= allowed)
        .min_by_key(|(far, _)| *far)
        .map(|(_, candidate)| candidate)
}

fn fold(name: &str) -> Vec<char> {
    name.chars()
        .filter(|character| !matches!(character, '_' | '-'))
        .flat_map(char::to_lowercase)
        .collect()
}

/// How many letters must be inserted, removed, replaced or swapped with their neighbour (optimal string alignment).
fn distance(left: &[char], right: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=right.len()).collect();
    let mut left_before = None;
    for (row, &one) in left.iter().enumerate() {
        let mut current = vec![row.saturating_add(1)];
        let mut right_before = None;
        for (column, &other) in right.iter().enumerate() {
            let at = |line: &[usize], index: usize| line.get(index).copied().unwrap_or(usize::MAX);
            let next = column.saturating_add(1);
            let replaced = at(&last, column).saturating_add(usize::from(one != other));
            let removed = at(&last, next).saturating_add(1);
            let inserted = at(&current, column).saturating_add(1);
            let mut best = replaced.min(removed).min(inserted);
            if left_before == Some(other) && right_before == Some(one) {
                let swapped = at(&before_last, column.wrapping_sub(1)).saturating_add(1);
                best = best.min(swapped);
            }
            current.push(best);
            right_before = Some(other);
        }
        left_before = Some(one);
        before_last = std::mem::replace(&mut last, current);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found() {
        let known = ["oneshot_on", "activate_on", "verbose", "locals", "thread"];
        for (name, expected) in [
            ("oneshoton", Some("oneshot_on")),
            ("ONESHOT-ON", Some("oneshot_on")),
            ("activate", Some("activate_on")),
            ("verbsoe", Some("verbose")),
            ("verbos", Some("verbose")),
            ("local", Some("locals")),
            ("threads", Some("thread")),
            ("foo", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
        assert_eq!(nearest(&"v".repeat(1_000_000), known), None);
    }

    #[test]
    fn distances() {
        for (left, right, expected) in [
            ("", "", 0),
            ("abc", "abc", 0),
            ("abc", "acb", 1),
            ("abc", "ab", 1),
            ("", "ab", 2),
            ("kitten", "sitting", 3),
        ] {
            let letters = |text: &str| text.chars().collect::<Vec<_>>();
            assert_eq!(
                distance(&letters(left), &letters(right)),
                expected,
                "{left} {right}"
            );
        }
    }
}
