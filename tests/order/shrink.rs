//! Deliveries by chance, and the fewest of them that still fail.

use rand::{Rng, seq::SliceRandom};

/// Every one of `count` things at least once, some up to four times, in any order.
pub fn deliveries(count: usize, random: &mut impl Rng) -> Vec<usize> {
    let mut order = Vec::new();
    for index in 0..count {
        let times = match random.random_range(0..4) {
            0 | 1 => 1,
            2 => 2,
            _ => random.random_range(2..=4),
        };
        order.extend(std::iter::repeat_n(index, times));
    }
    order.shuffle(random);
    order
}

/// Leaves out whatever can be left out so that it still fails.
pub fn shrunk(mut failing: Vec<usize>, fails: impl Fn(&[usize]) -> bool) -> Vec<usize> {
    let mut size = failing.len();
    while size > 0 {
        let mut from = 0;
        while from < failing.len() {
            let mut without = failing.clone();
            without.drain(from..(from + size).min(failing.len()));
            if fails(&without) {
                failing = without;
            } else {
                from += size;
            }
        }
        size /= 2;
    }
    failing
}

/// The same things in their own order, each once.
pub fn in_order(deliveries: &[usize]) -> Vec<usize> {
    let mut order = deliveries.to_vec();
    order.sort_unstable();
    order.dedup();
    order
}

#[test]
fn a_failure_is_shrunk_to_what_it_takes() {
    // Fails if 3 comes before 1.
    let fails = |order: &[usize]| {
        let place = |wanted| order.iter().position(|&index| index == wanted);
        matches!((place(3), place(1)), (Some(three), Some(one)) if three < one)
    };
    assert_eq!(shrunk(vec![0, 3, 3, 2, 1, 4, 1, 0], fails), [3, 1]);
}
