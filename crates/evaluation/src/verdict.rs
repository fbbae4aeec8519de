use padan_domain::Percentage;
use padan_inference::Rate;

use crate::evaluation::{Counts, Mark};

/// The result in one sentence: how many impostors pass at the pass mark, and how many genuine pairs are missed.
pub(crate) fn verdict(marks: &[Mark], counts: &Counts) -> String {
    let mark = marks.iter().find(|mark| Percentage::new(mark.percentage) == Percentage::PASS_MARK);
    mark.map_or_else(String::new, |mark| sentence(mark, counts.all_impostor, counts.all_genuine))
}

/// How a site's own people pass at the pass mark of the scale in use, and what a new scale would change, in one sentence.
/// `pass_marks` has the cosines of the pass mark in use and of the new one.
pub(crate) fn people_verdict(measured: Rate, stated: f64, pairs: u64, pass_marks: [f64; 2]) -> String {
    let passed = passed(measured, pairs).replace("impostor pairs", "pairs of strangers");
    let change = match pass_marks[1] - pass_marks[0] {
        change if change > 5e-5 => "raises the pass mark",
        change if change < -5e-5 => "lowers the pass mark",
        _ => "leaves the pass mark",
    };
    format!(
        "At 75 % of the scale in use, {passed}, where that scale says {}; the new scale {change} from cosine {:.4} to {:.4}.",
        frequency(stated),
        pass_marks[0],
        pass_marks[1]
    )
}

fn sentence(mark: &Mark, impostors: Option<u64>, genuine: usize) -> String {
    let passed = match (mark.fmr, impostors) {
        (Some(fmr), Some(pairs)) if pairs > 0 => passed(fmr, pairs),
        _ => "how many impostors pass is not known, because the labels have no pairs of known persons"
            .to_owned(),
    };
    let missed =
        if genuine > 0 { missed(mark.fnmr, genuine) } else { "no genuine pair was compared".to_owned() };
    format!("At {} %, {passed}, and {missed}.", mark.percentage)
}

fn passed(fmr: Rate, pairs: u64) -> String {
    if fmr.value == 0.0 {
        let most = frequency(fmr.high);
        return format!("none of {} impostor pairs passes (95 %: at most {most})", grouped(pairs));
    }
    let (value, low, high) = (frequency(fmr.value), frequency(fmr.low), frequency(fmr.high));
    format!("{value} of the impostor pairs pass (95 %: {low} to {high})")
}

fn missed(fnmr: Rate, pairs: usize) -> String {
    let percent = |share: f64| format!("{:.*}", if share < 0.001 { 3 } else { 1 }, share * 100.0);
    if fnmr.value == 0.0 {
        let most = percent(fnmr.high);
        return format!("none of {} genuine pairs is missed (95 %: at most {most} %)", grouped(pairs as u64));
    }
    let (value, low, high) = (percent(fnmr.value), percent(fnmr.low), percent(fnmr.high));
    format!("{value} % of the genuine pairs are missed (95 %: {low} to {high} %)")
}

/// A rate such as `1 in 9,600`, with two digits; from a tenth on in per cent.
fn frequency(rate: f64) -> String {
    if rate <= 0.0 {
        return "none".to_owned();
    }
    if rate >= 0.1 {
        return format!("{:.0} %", rate * 100.0);
    }
    let one_in = 1.0 / rate;
    let unit = 10_f64.powf(one_in.log10().floor() - 1.0).max(1.0);
    format!("1 in {}", grouped(((one_in / unit).round() * unit) as u64))
}

/// A number with a comma after each group of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(value: f64, low: f64, high: f64) -> Rate {
        Rate { value, low, high }
    }

    fn mark(fmr: Option<Rate>, fnmr: Rate) -> Mark {
        Mark { percentage: 75.0, cosine: 0.4, fmr, fnmr }
    }

    #[test]
    fn the_verdict_is_one_sentence() {
        let measured = mark(Some(rate(1.0 / 9_612.0, 7.8e-5, 1.3e-4)), rate(0.018, 0.0121, 0.0249));
        assert_eq!(
            sentence(&measured, Some(1_000_000), 4_000),
            "At 75 %, 1 in 9,600 of the impostor pairs pass (95 %: 1 in 13,000 to 1 in 7,700), and 1.8 % of the \
             genuine pairs are missed (95 %: 1.2 to 2.5 %)."
        );
    }

    #[test]
    fn without_an_error_it_says_how_many_there_could_be() {
        let clean = mark(Some(rate(0.0, 0.0, 0.001_23)), rate(0.0, 0.0, 0.2646));
        assert_eq!(
            sentence(&clean, Some(1_056), 72),
            "At 75 %, none of 1,056 impostor pairs passes (95 %: at most 1 in 810), and none of 72 genuine pairs is \
             missed (95 %: at most 26.5 %)."
        );
    }

    #[test]
    fn the_verdict_on_people_names_both_pass_marks() {
        let measured = rate(1.0 / 4_080.0, 1.9e-4, 3.1e-4);
        assert_eq!(
            people_verdict(measured, 1e-4, 200_000_000, [0.4265, 0.4472]),
            "At 75 % of the scale in use, 1 in 4,100 of the pairs of strangers pass (95 %: 1 in 5,300 to 1 in 3,200), \
             where that scale says 1 in 10,000; the new scale raises the pass mark from cosine 0.4265 to 0.4472."
        );
        let none = people_verdict(rate(0.0, 0.0, 1e-3), 1e-4, 20_000, [0.43, 0.4]);
        assert!(
            none.contains("none of 20,000 pairs of strangers passes (95 %: at most 1 in 1,000)"),
            "{none}"
        );
        assert!(none.ends_with("lowers the pass mark from cosine 0.4300 to 0.4000."), "{none}");
    }

    #[test]
    fn what_was_not_measured_is_named() {
        let unknown = sentence(&mark(None, rate(0.0, 0.0, 1.0)), None, 0);
        assert!(unknown.contains("how many impostors pass is not known"), "{unknown}");
        assert!(unknown.contains("no genuine pair was compared"), "{unknown}");
    }

    #[test]
    fn a_frequency_has_two_digits() {
        let shown = [0.34, 0.1, 0.05, 0.0104, 1e-3, 1.0 / 12_345.0, 1e-7, 0.0].map(frequency);
        assert_eq!(
            shown,
            ["34 %", "10 %", "1 in 20", "1 in 96", "1 in 1,000", "1 in 12,000", "1 in 10,000,000", "none"]
        );
    }
}
