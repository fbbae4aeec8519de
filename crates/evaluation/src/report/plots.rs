//! The plots of a report, as SVG.

use plotters::{coord::ranged1d::AsRangedCoord, prelude::*};

use crate::{
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
const GENUINE: RGBColor = RGBColor(0, 107, 164);
const IMPOSTOR: RGBColor = RGBColor(200, 82, 0);
const MARK_COLOUR: RGBColor = RGBColor(80, 80, 80);
const BINS: usize = 120;

type DrawError = DrawingAreaErrorKind<std::io::Error>;

/// False match rate and false non-match rate at increasing thresholds.
struct Rates(Vec<(f64, f64)>);

pub(super) fn all(
    evaluated: &Evaluated,
    pass_mark: f64,
    scale: &[(f64, f64)],
) -> Result<Vec<Plot>, DrawError> {
    let rates = Rates::of(evaluated);
    Ok(vec![
        Plot { name: "roc", svg: roc(&rates)? },
        Plot { name: "det", svg: det(&rates)? },
        Plot { name: "scores", svg: scores(evaluated, pass_mark)? },
        Plot { name: "percentage", svg: percentage(scale, pass_mark)? },
    ])
}

impl Rates {
    /// The rates at thresholds from -1 to 1.
    fn of(evaluated: &Evaluated) -> Self {
        let mut genuine: Vec<_> = evaluated.genuine.iter().map(|pair| pair.cosine).collect();
        genuine.sort_by(f64::total_cmp);
        let pairs = evaluated.evaluation.scores.iter();
        let listed: Vec<_> =
            pairs.map(|score| LabelledScore { cosine: score.cosine, same: score.same, fold: None }).collect();
        let (_, impostors) = split(&listed);
        let at = |step: u32| {
            let threshold = f64::from(step) / 1000.0 - 1.0;
            let fmr = match &evaluated.cross {
                Some(cross) => cross.fmr(threshold),
                None => share_reaching(&impostors, threshold),
            };
            (fmr, 1.0 - share_reaching(&genuine, threshold))
        };
        let mut points: Vec<_> = (0..=2000).map(at).filter(|(fmr, _)| *fmr > 0.0).collect();
        points.dedup();
        Self(points)
    }

    /// The power of ten below the lowest rate.
    fn floor(&self) -> f64 {
        let lowest = self.0.iter().map(|(fmr, _)| *fmr).fold(1.0, f64::min);
        10_f64.powf(lowest.log10().floor())
    }
}

fn roc(rates: &Rates) -> Result<String, DrawError> {
    let lowest = rates.0.iter().map(|(_, fnmr)| 1.0 - fnmr).fold(1.0, f64::min);
    let from = if lowest > 0.95 { 0.95 } else { (lowest * 20.0).floor() / 20.0 };
    let line = rates.0.iter().map(|(fmr, fnmr)| (*fmr, 1.0 - fnmr)).collect();
    let x = Axis { range: (rates.floor()..1.0).log_scale(), name: "false match rate", label: &rate };
    let y = Axis { range: from..1.0 + (1.0 - from) * 0.02, name: "true match rate", label: &decimals };
    draw(x, y, vec![(line, GENUINE)], None)
}

fn det(rates: &Rates) -> Result<String, DrawError> {
    let line: Vec<_> = rates.0.iter().filter(|(_, fnmr)| *fnmr > 0.0).copied().collect();
    let lowest = line.iter().map(|(_, fnmr)| *fnmr).fold(1.0, f64::min);
    let x = Axis { range: (rates.floor()..1.0).log_scale(), name: "false match rate", label: &rate };
    let range = (10_f64.powf(lowest.log10().floor())..1.0).log_scale();
    let y = Axis { range, name: "false non-match rate", label: &rate };
    draw(x, y, vec![(line, GENUINE)], None)
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
    let x = Axis { range: from..to, name: "cosine", label: &decimals };
    let y = Axis { range: 0.0..highest * 1.05, name: "density", label: &decimals };
    draw(x, y, lines, Some(&Mark { x: pass_mark, height: highest * 1.05 }))
}

fn percentage(scale: &[(f64, f64)], pass_mark: f64) -> Result<String, DrawError> {
    let line = vec![(scale.to_vec(), GENUINE)];
    let x = Axis { range: -0.2..1.0, name: "cosine", label: &decimals };
    let y = Axis { range: 0.0..105.0, name: "percentage", label: &integer };
    draw(x, y, line, Some(&Mark { x: pass_mark, height: 105.0 }))
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

/// A vertical dashed line.
struct Mark {
    x: f64,
    height: f64,
}

/// Draws lines in a frame with labelled axes.
fn draw<X, Y>(
    x: Axis<'_, X>,
    y: Axis<'_, Y>,
    lines: Vec<Line>,
    mark: Option<&Mark>,
) -> Result<String, DrawError>
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
            .x_label_area_size(46)
            .y_label_area_size(72)
            .build_cartesian_2d(x.range, y.range)?;
        chart
            .configure_mesh()
            .x_desc(x.name)
            .y_desc(y.name)
            .x_label_formatter(&x.label)
            .y_label_formatter(&y.label)
            .label_style(("sans-serif", 13))
            .axis_desc_style(("sans-serif", 15))
            .light_line_style(TRANSPARENT)
            .bold_line_style(RGBColor(225, 225, 225))
            .draw()?;
        for (line, colour) in lines {
            chart.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
        }
        if let Some(&Mark { x, height }) = mark {
            chart.draw_series(DashedLineSeries::new(
                [(x, 0.0), (x, height)],
                6,
                4,
                MARK_COLOUR.stroke_width(1),
            ))?;
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

#[expect(clippy::trivially_copy_pass_by_ref, reason = "plotters passes references to label functions")]
fn decimals(value: &f64) -> String {
    format!("{value:.2}")
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "plotters passes references to label functions")]
fn integer(value: &f64) -> String {
    format!("{value:.0}")
}
