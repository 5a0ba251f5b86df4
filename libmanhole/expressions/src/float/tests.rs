//! Numbers of every format, with gdb's and the compiler's answers.
//!
//! Runs as a unit test.

use super::*;

#[test]
fn literals_become_the_nearest_number() {
    for text in
        ["0.1", "1.5", "1e22", "123456789012345678", "4.9e-324", "2.2250738585072011e-308", "1e-400", "1e400", ".5"]
    {
        let expected: f64 = text.parse().unwrap();
        assert_eq!(parse(text, Format::Double).unwrap(), expected.to_le_bytes(), "{text}");
        let expected: f32 = text.parse().unwrap();
        assert_eq!(parse(text, Format::Single).unwrap(), expected.to_le_bytes(), "{text}");
    }
    for (text, expected) in [
        ("0.1", "0.100000000000000000001"),
        ("1.5", "1.5"),
        ("1e4000", "9.99999999999999999997e+3999"),
        ("0x1p-3", "0.125"),
        ("0x1.8p1", "3"),
        ("inf", "inf"),
        ("1e5000", "inf"),
    ] {
        assert_eq!(super::text(&parse(text, Format::Extended).unwrap(), Format::Extended), expected);
    }
    let quad = parse("0.1", Format::Quad).unwrap();
    assert_eq!(super::text(&quad, Format::Quad), "0.100000000000000000000000000000000005");
    assert_eq!(parse("1.2.3", Format::Double), None);
    assert_eq!(parse("", Format::Double), None);
    assert_eq!(parse("1e", Format::Double), None);
}

#[test]
fn formats_become_one_another() {
    for number in [0.0, -0.0, 1.0, 0.1, -1e300, 1e-310, f64::INFINITY, f64::MIN_POSITIVE] {
        let bytes = number.to_le_bytes();
        for wide in [Format::Extended, Format::Quad] {
            let there = convert(&bytes, Format::Double, wide);
            assert_eq!(convert(&there, wide, Format::Double), bytes, "{number}");
        }
        assert_eq!(convert(&bytes, Format::Double, Format::Single), (number as f32).to_le_bytes(), "{number}");
        assert_eq!(to_f64(&from_f64(number, 16)), number);
    }
    assert!(to_f64(&from_f64(f64::NAN, 4)).is_nan());
    assert_eq!(to_integer(&(-2.9f64).to_le_bytes(), Format::Double), Some(-2));
    assert_eq!(to_integer(&f64::INFINITY.to_le_bytes(), Format::Double), None);
    assert_eq!(from_integer(7, true, Format::Single), (-7f32).to_le_bytes());
    assert_eq!(from_integer(u128::from(u64::MAX), false, Format::Double), (u64::MAX as f64).to_le_bytes());
}

#[test]
fn arithmetic_is_the_processors() {
    let numbers =
        [0.0, -0.0, 1.0, -1.0, 3.0, 0.1, 0.3, 1e300, -1e300, 1e-300, 5e-324, 1e16, 1.0000000000000002, f64::INFINITY];
    for a in numbers {
        for b in numbers {
            for (operation, expected) in [
                (Operation::Add, a + b),
                (Operation::Subtract, a - b),
                (Operation::Multiply, a * b),
                (Operation::Divide, a / b),
            ] {
                let got = to_f64(&arithmetic(operation, &a.to_le_bytes(), &b.to_le_bytes(), Format::Double));
                let is_same = got.to_bits() == expected.to_bits() || (got.is_nan() && expected.is_nan());
                assert!(is_same, "{a} {operation:?} {b}: {got} and not {expected}");
            }
            assert_eq!(compare(&a.to_le_bytes(), &b.to_le_bytes(), Format::Double), a.partial_cmp(&b), "{a} {b}");
        }
    }
    let (one, three) = (from_f64(1.0, 16), from_f64(3.0, 16));
    let third = arithmetic(Operation::Divide, &one, &three, Format::Extended);
    assert_eq!(text(&third, Format::Extended), "0.333333333333333333342");
}
