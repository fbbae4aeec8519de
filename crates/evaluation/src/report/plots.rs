//! The plots of a report, as SVG.

use std::ops::Range;

use plotters::{coord::ranged1d::AsRangedCoord, prelude::*};

use crate::{
    calibrate_people::MeasuredPoint,
    cross_pairs::CrossPairs,
    evaluation::Evaluated,
    metrics::{LabelledScore, share_reaching, split},
};

/// A plot.
#[derive(Debug, Clone)]
pub struct Plot {
    /// Its name, which is also the name of its file without the extension.
    pub name: &'static str,
    /// The SVG file.
    pub svg: String,
}

const SIZE: (u32, u32) = (720, 440);
/// Text in a plot. The report shows plots at about three quarters of their size.
const LABEL: (&str, u32) = ("sans-serif", 18);
const GENUINE: RGBColor = RGBColor(0, 107, 164);
const IMPOSTOR: RGBColor = RGBColor(200, 82, 0);
const INTERVAL: RGBColor = RGBColor(240, 190, 150);
const MARK_COLOUR: RGBColor = RGBColor(80, 80, 80);
const BINS: usize = 120;

type DrawError = DrawingAreaErrorKind<std::io::Error>;

/// The cosines of genuine and impostor pairs, from which the rates at a threshold follow.
struct Rates<'a> {
    genuine: Vec<f64>,
    impostors: Vec<f64>,
    cross: Option<&'a CrossPairs>,
    /// False match rate and false non-match rate at increasing thresholds, down to the lowest false match rate.
    curve: Vec<(f64, f64)>,
}

pub(super) fn all(
    evaluated: &Evaluated,
    pass_mark: f64,
    scale: &[(f64, f64)],
) -> Result<Vec<Plot>, DrawError> {
    let rates = Rates::of(evaluated);
    let at_mark = rates.at(pass_mark);
    Ok(vec![
        Plot { name: "roc", svg: roc(&rates, at_mark)? },
        Plot { name: "det", svg: det(&rates, at_mark)? },
        Plot { name: "scores", svg: scores(evaluated, pass_mark)? },
        Plot { name: "percentage", svg: percentage(scale, pass_mark)? },
    ])
}

/// The plot on a site's people: their false match rates against those that the scale in use states. There is no new pass mark
/// with too few comparisons.
pub(super) fn people(
    curve: &[MeasuredPoint],
    stated: &[(f64, f64)],
    pass_mark: f64,
    new_pass_mark: Option<f64>,
) -> Result<Plot, DrawError> {
    let lowest = curve.iter().map(|point| point.fmr.value).fold(1.0, f64::min).min(1e-6);
    let floor = 10_f64.powf((lowest.log10() - 1e-9).floor());
    let line = |rate: fn(&MeasuredPoint) -> f64| {
        curve.iter().map(|point| (point.cosine, rate(point).max(floor))).collect::<Vec<_>>()
    };
    let lines = vec![
        (line(|point| point.fmr.low), INTERVAL),
        (line(|point| point.fmr.high), INTERVAL),
        (stated.iter().copied().filter(|(_, rate)| *rate >= floor).collect(), GENUINE),
        (line(|point| point.fmr.value), IMPOSTOR),
    ];
    let ends = || {
        let cosines = lines.iter().flat_map(|(line, _)| line).map(|(cosine, _)| *cosine);
        cosines.chain([pass_mark]).chain(new_pass_mark)
    };
    let (from, to) = (ends().fold(1.0, f64::min), ends().fold(-1.0, f64::max));
    let mark = |cosine, colour| Mark::Threshold { cosine, span: floor..1.0, colour };
    let new_mark = new_pass_mark.map(|cosine| mark(cosine, IMPOSTOR));
    let marks: Vec<_> = [mark(pass_mark, GENUINE)].into_iter().chain(new_mark).collect();
    let label = decimals(to - from);
    let x = Axis { range: from - 0.02..to + 0.02, name: "cosine", label: &label };
    let y = Axis { range: (floor..1.0).log_scale(), name: "false match rate", label: &rate };
    Ok(Plot { name: "false-matches", svg: draw(x, y, lines, &marks)? })
}

impl<'a> Rates<'a> {
    fn of(evaluated: &'a Evaluated) -> Self {
        let mut genuine: Vec<_> = evaluated.genuine.iter().map(|pair| pair.cosine).collect();
        genuine.sort_by(f64::total_cmp);
        let pairs = evaluated.evaluation.scores.iter();
        let listed: Vec<_> =
            pairs.map(|score| LabelledScore { cosine: score.cosine, same: score.same, fold: None }).collect();
        let (_, impostors) = split(&listed);
        let mut rates = Self { genuine, impostors, cross: evaluated.cross.as_ref(), curve: Vec::new() };
        let thresholds = (0..=2000).map(|step| f64::from(step) / 1000.0 - 1.0);
        rates.curve = thresholds.map(|threshold| rates.at(threshold)).filter(|(fmr, _)| *fmr > 0.0).collect();
        rates.curve.dedup();
        rates
    }

    /// False match rate and false non-match rate at a threshold.
    fn at(&self, threshold: f64) -> (f64, f64) {
        let fmr = match self.cross {
            Some(cross) => cross.fmr(threshold),
            None => share_reaching(&self.impostors, threshold),
        };
        // Without genuine pairs none is missed.
        let missed =
            if self.genuine.is_empty() { 0.0 } else { 1.0 - share_reaching(&self.genuine, threshold) };
        (fmr, missed)
    }

    /// The power of ten below the lowest rate.
    fn floor(&self) -> f64 {
        let lowest = self.curve.iter().map(|(fmr, _)| *fmr).fold(1.0, f64::min);
        10_f64.powf((lowest.log10() - 1e-9).floor())
    }

    /// The position of a rate on the axis of false match rates: the left edge if no pair matches.
    fn position(&self, fmr: f64) -> f64 {
        fmr.max(self.floor())
    }
}

fn roc(rates: &Rates<'_>, (fmr, fnmr): (f64, f64)) -> Result<String, DrawError> {
    if rates.curve.is_empty() {
        return notice("No impostor pair has a cosine, so there is no curve.");
    }
    let lowest = rates.curve.iter().map(|(_, fnmr)| 1.0 - fnmr).fold(1.0 - fnmr, f64::min);
    let from = if lowest > 0.95 { 0.95 } else { (lowest * 20.0).floor() / 20.0 };
    let line = rates.curve.iter().map(|(fmr, fnmr)| (*fmr, 1.0 - fnmr)).collect();
    let x = Axis { range: (rates.floor()..1.0).log_scale(), name: "false match rate", label: &rate };
    let label = decimals(1.0 - from);
    let y = Axis { range: from..1.0 + (1.0 - from) * 0.02, name: "true match rate", label: &label };
    // The text stands below a curve that rises.
    let mark = Mark::Point((rates.position(fmr), 1.0 - fnmr), (9, 8));
    draw(x, y, vec![(line, GENUINE)], &[mark])
}

fn det(rates: &Rates<'_>, (fmr, fnmr): (f64, f64)) -> Result<String, DrawError> {
    let line: Vec<_> = rates.curve.iter().filter(|(_, fnmr)| *fnmr > 0.0).copied().collect();
    if line.is_empty() {
        return notice("No genuine pair is missed at any threshold that an impostor pair reaches: no curve.");
    }
    let lowest = line.iter().map(|(_, fnmr)| *fnmr).fold(1.0, f64::min);
    let from = 10_f64.powf((lowest.log10() - 1e-9).floor());
    let x = Axis { range: (rates.floor()..1.0).log_scale(), name: "false match rate", label: &rate };
    let y = Axis { range: (from..1.0).log_scale(), name: "false non-match rate", label: &rate };
    // The text stands above a curve that falls.
    let mark = Mark::Point((rates.position(fmr), fnmr.max(from)), (9, -24));
    draw(x, y, vec![(line, GENUINE)], &[mark])
}

/// The density of the cosines of genuine and impostor pairs.
fn scores(evaluated: &Evaluated, pass_mark: f64) -> Result<String, DrawError> {
    let (from, to) = (-0.5, 1.0);
    let width = (to - from) / BINS as f64;
    let genuine = binned(evaluated.genuine.iter().map(|pair| pair.cosine), from, to);
    let listed = evaluated.evaluation.scores.iter().filter(|score| !score.same).map(|score| score.cosine);
    let impostors = match &evaluated.cross {
        Some(cross) => cross.binned(from, to, BINS),
        None => binned(listed, from, to),
    };
    let line = |counts: Vec<f64>| {
        let all: f64 = counts.iter().sum::<f64>().max(1.0);
        let steps = counts.into_iter().enumerate().flat_map(move |(bin, count)| {
            let left = from + bin as f64 * width;
            [(left, count / all / width), (left + width, count / all / width)]
        });
        steps.collect::<Vec<_>>()
    };
    let lines = vec![(line(impostors), IMPOSTOR), (line(genuine), GENUINE)];
    let highest = lines.iter().flat_map(|(line, _)| line).map(|(_, y)| *y).fold(0.0, f64::max);
    let highest = if highest > 0.0 { highest * 1.05 } else { 1.0 };
    let labels = (decimals(to - from), decimals(highest));
    let x = Axis { range: from..to, name: "cosine", label: &labels.0 };
    let y = Axis { range: 0.0..highest, name: "density", label: &labels.1 };
    draw(x, y, lines, &[Mark::threshold(pass_mark, 0.0..highest)])
}

fn percentage(scale: &[(f64, f64)], pass_mark: f64) -> Result<String, DrawError> {
    let line = vec![(scale.to_vec(), GENUINE)];
    let labels = (decimals(1.2), decimals(105.0));
    let x = Axis { range: -0.2..1.0, name: "cosine", label: &labels.0 };
    let y = Axis { range: 0.0..105.0, name: "percentage", label: &labels.1 };
    draw(x, y, line, &[Mark::threshold(pass_mark, 0.0..105.0)])
}

fn binned(values: impl Iterator<Item = f64>, from: f64, to: f64) -> Vec<f64> {
    let mut bins = vec![0.0; BINS];
    for value in values {
        let bin = ((value - from) / (to - from) * BINS as f64).floor();
        if bin >= 0.0 && (bin as usize) < BINS {
            bins[bin as usize] += 1.0;
        }
    }
    bins
}

type Line = (Vec<(f64, f64)>, RGBColor);

/// One axis of a plot.
struct Axis<'a, R> {
    range: R,
    name: &'a str,
    /// Formats a value of the axis.
    label: &'a dyn Fn(&f64) -> String,
}

/// Where the pass mark is.
enum Mark {
    /// A vertical dashed line on an axis of cosines.
    Threshold { cosine: f64, span: Range<f64>, colour: RGBColor },
    /// A point of a curve of two rates, and where its text begins from there.
    Point((f64, f64), (i32, i32)),
}

impl Mark {
    fn threshold(cosine: f64, span: Range<f64>) -> Self {
        Self::Threshold { cosine, span, colour: MARK_COLOUR }
    }
}

/// A sentence in the place of a plot that has no data.
fn notice(text: &str) -> Result<String, DrawError> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let style = LABEL.into_font().color(&MARK_COLOUR);
        let (width, height) = root.estimate_text_size(text, &style)?;
        let middle =
            |whole: u32, part: u32| i32::try_from(whole.saturating_sub(part) / 2).unwrap_or_default();
        let centre = (middle(SIZE.0, width), middle(SIZE.1, height));
        root.draw_text(text, &style, centre)?;
        root.present()?;
    }
    Ok(svg)
}

/// Draws lines in a frame with labelled axes.
fn draw<X, Y>(x: Axis<'_, X>, y: Axis<'_, Y>, lines: Vec<Line>, marks: &[Mark]) -> Result<String, DrawError>
where
    X: AsRangedCoord<Value = f64>,
    Y: AsRangedCoord<Value = f64>,
    X::CoordDescType: plotters::coord::ranged1d::ValueFormatter<f64>,
    Y::CoordDescType: plotters::coord::ranged1d::ValueFormatter<f64>,
{
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .margin(16)
            .x_label_area_size(58)
            .y_label_area_size(88)
            .build_cartesian_2d(x.range, y.range)?;
        chart
            .configure_mesh()
            .x_desc(x.name)
            .y_desc(y.name)
            .x_label_formatter(&x.label)
            .y_label_formatter(&y.label)
            .label_style(LABEL)
            .axis_desc_style(LABEL)
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(225, 225, 225))
            .draw()?;
        for (line, colour) in lines {
            chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
        }
        for mark in marks {
            match mark {
                Mark::Threshold { cosine, span, colour } => {
                    let line = [(*cosine, span.start), (*cosine, span.end)];
                    chart.draw_series(DashedLineSeries::new(line, 6, 4, colour.stroke_width(1)))?;
                }
                Mark::Point(position, text) => {
                    let style = LABEL.into_font().color(&MARK_COLOUR);
                    let point = EmptyElement::at(*position)
                        + Circle::new((0, 0), 5, MARK_COLOUR.filled())
                        + Text::new("pass mark", *text, style);
                    chart.draw_series([point])?;
                }
            }
        }
        root.present()?;
    }
    Ok(svg)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "plotters passes references to label functions")]
fn rate(value: &f64) -> String {
    // The axis passes powers of ten with rounding errors.
    format!("{value:.0e}")
}

/// Formats values of an axis of this length with as many decimals as distinguish its ten labels.
fn decimals(length: f64) -> impl Fn(&f64) -> String {
    let digits = (-(length / 10.0).log10()).ceil().clamp(0.0, 9.0) as usize;
    move |value| {
        let text = format!("{value:.digits$}");
        // The axis passes a zero with a rounding error.
        let is_zero = text.chars().all(|c| matches!(c, '-' | '0' | '.'));
        if is_zero { text.trim_start_matches('-').to_owned() } else { text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_an_axis_differ_and_zero_has_no_sign() {
        let label = |length: f64, values: &[f64]| values.iter().map(decimals(length)).collect::<Vec<_>>();
        assert_eq!(label(1.5, &[-0.4, -1e-17, 0.2, 1.0]), ["-0.4", "0.0", "0.2", "1.0"]);
        assert_eq!(label(0.05, &[0.95, 0.955, 0.96, 1.0]), ["0.950", "0.955", "0.960", "1.000"]);
        assert_eq!(label(105.0, &[0.0, 50.0, 100.0]), ["0", "50", "100"]);
        assert_eq!(label(0.004, &[0.9965, 0.997]), ["0.9965", "0.9970"]);
    }

    #[test]
    fn a_plot_without_data_says_so() {
        let svg = notice("No curve.").unwrap();
        assert!(svg.starts_with("<svg") && svg.contains("No curve."), "{svg}");
    }
}
