use super::grouped;

#[test]
fn digits_are_grouped_by_three() {
    for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (123_456, "123,456"), (1_234_567, "1,234,567")] {
        assert_eq!(grouped(number), text);
    }
}
