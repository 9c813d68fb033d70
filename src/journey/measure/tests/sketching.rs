//! The quantile sketch: its buckets by definition, its bound, and that sketches merge.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::reference::{bucket, middle};
use crate::journey::measure::sketch::{Sketch, bucket_of};

fn values(seed: u64, count: usize) -> Vec<f64> {
    let mut rng = StdRng::seed_from_u64(seed);
    let value = |rng: &mut StdRng| match rng.random_range(0..10) {
        0 => 0.0,
        1..6 => rng.random_range(-60.0..150.0),
        6 => rng.random_range(-1.0..1.0) * 10_f64.powi(rng.random_range(-300..300)),
        7 => 2_f64.powi(rng.random_range(-1_000..1_000)),
        8 => -(2_f64.powi(rng.random_range(-20..20)).next_down()),
        _ => f64::from_bits(rng.random::<u64>() & !(1 << 62)),
    };
    (0..count).map(|_| value(&mut rng)).filter(|value| value.is_finite()).collect()
}

fn sketch(values: &[f64]) -> BTreeMap<i32, u32> {
    let mut sketch = Sketch::default();
    for value in values {
        sketch.add(*value);
    }
    let buckets = sketch.buckets();
    assert!(buckets.is_sorted_by(|a, b| a.0 < b.0), "buckets ascend");
    buckets.into_iter().collect()
}

#[test]
fn a_bucket_is_what_the_definition_says() {
    for value in values(1, 20_000) {
        assert_eq!(bucket_of(value), bucket(value), "{value:e}");
    }
    let edges =
        [0.0, -0.0, 1.0, -1.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, f64::MIN_POSITIVE.next_down(), 5e-324, 2.0, 1.984_375];
    for value in edges {
        assert_eq!(bucket_of(value), bucket(value), "{value:e}");
    }
    assert_eq!(bucket_of(1.0), 1_023 * 64);
}

#[test]
fn the_middle_of_a_bucket_is_within_one_per_cent_of_its_values() {
    for value in values(2, 50_000) {
        let error = (middle(bucket_of(value)) - value).abs();
        assert!(error <= value.abs() * 0.01 || value.abs() < f64::MIN_POSITIVE, "{value:e} is off by {error:e}");
    }
}

#[test]
fn buckets_are_in_the_order_of_their_values() {
    let mut values = values(3, 20_000);
    values.sort_by(f64::total_cmp);
    assert!(values.windows(2).all(|pair| bucket_of(pair[0]) <= bucket_of(pair[1])));
}

#[test]
fn sketches_merge_by_adding_their_counts() {
    for seed in 0..50 {
        let all = values(seed, 400);
        let (left, right) = all.split_at(usize::try_from(seed).unwrap() * 7);
        let mut merged = sketch(left);
        for (bucket, count) in sketch(right) {
            *merged.entry(bucket).or_insert(0) += count;
        }
        assert_eq!(merged, sketch(&all));
        assert_eq!(merged.values().sum::<u32>() as usize, all.len());
    }
}

#[test]
fn quantiles_are_within_one_per_cent_of_the_exact_ones() {
    let mut rng = StdRng::seed_from_u64(4);
    for _ in 0..50 {
        let mut values: Vec<f64> = (0..1_000).map(|_| rng.random_range(-60.0..150.0)).collect();
        let buckets = sketch(&values);
        values.sort_by(f64::total_cmp);
        for percent in [1, 50, 95, 99, 100] {
            // The smallest bucket that holds the value of this rank.
            let rank = (values.len() * percent).div_ceil(100).max(1);
            let mut seen = 0;
            let found = buckets.iter().find(|(_, count)| {
                seen += **count as usize;
                seen >= rank
            });
            let exact = values[rank - 1];
            let estimate = middle(*found.unwrap().0);
            assert!((estimate - exact).abs() <= exact.abs() * 0.01, "p{percent}: {estimate} for {exact}");
        }
    }
}

#[test]
fn what_many_values_add_to_a_count_is_carried() {
    let few = [0.0, -0.0, 1.0, 1.25, 1e-300, 1e300, -3.5, -1e-300, 5e-324];
    let mut rng = StdRng::seed_from_u64(5);
    let mut used = Sketch::default();
    for count in [254, 255, 256, 257, 511, 512, 20_000] {
        used.clear();
        let mut expected = BTreeMap::new();
        for _ in 0..count {
            for value in &few[..rng.random_range(1..=few.len())] {
                used.add(*value);
                *expected.entry(bucket(*value)).or_insert(0) += 1;
            }
        }
        let buckets = used.buckets();
        assert!(buckets.is_sorted_by(|a, b| a.0 < b.0), "{buckets:?}");
        assert_eq!(buckets.into_iter().collect::<BTreeMap<i32, u32>>(), expected);
    }
}
