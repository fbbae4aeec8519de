use serde::Serialize;

/// A point in pixels: x to the right, y down, the centre of the first pixel at (0, 0).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// To the right.
    pub x: f64,
    /// Down.
    pub y: f64,
}

/// An upright rectangle in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rectangle {
    /// The left edge.
    pub left: f64,
    /// The upper edge.
    pub top: f64,
    /// Its extent to the right.
    pub width: f64,
    /// Its extent down.
    pub height: f64,
}

impl Point {
    /// The distance to another point, in pixels.
    pub fn distance(self, other: Self) -> f64 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    /// The point halfway to another.
    #[must_use]
    pub fn midpoint(self, other: Self) -> Self {
        Self { x: f64::midpoint(self.x, other.x), y: f64::midpoint(self.y, other.y) }
    }
}

impl Rectangle {
    /// The area in square pixels.
    pub fn area(&self) -> f64 {
        self.width.max(0.0) * self.height.max(0.0)
    }

    /// The centre.
    pub fn centre(&self) -> Point {
        Point { x: self.left + self.width / 2.0, y: self.top + self.height / 2.0 }
    }

    /// Intersection over union, 0 to 1.
    pub fn overlap(&self, other: &Self) -> f64 {
        let width = (self.left + self.width).min(other.left + other.width) - self.left.max(other.left);
        let height = (self.top + self.height).min(other.top + other.height) - self.top.max(other.top);
        let shared = width.max(0.0) * height.max(0.0);
        let union = self.area() + other.area() - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }
}

/// An affine map of the plane: (x, y) to (a x + b y + c, d x + e y + f).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Affine {
    pub(crate) a: f64,
    pub(crate) b: f64,
    pub(crate) c: f64,
    pub(crate) d: f64,
    pub(crate) e: f64,
    pub(crate) f: f64,
}

impl Affine {
    pub(crate) fn apply(&self, point: Point) -> Point {
        Point {
            x: self.a * point.x + self.b * point.y + self.c,
            y: self.d * point.x + self.e * point.y + self.f,
        }
    }

    /// The map that applies `self`, then `next`.
    pub(crate) fn then(&self, next: &Self) -> Self {
        Self {
            a: next.a * self.a + next.b * self.d,
            b: next.a * self.b + next.b * self.e,
            c: next.a * self.c + next.b * self.f + next.c,
            d: next.d * self.a + next.e * self.d,
            e: next.d * self.b + next.e * self.e,
            f: next.d * self.c + next.e * self.f + next.f,
        }
    }

    /// The inverse map; `None` when the map is not invertible.
    pub(crate) fn inverse(&self) -> Option<Self> {
        let determinant = self.a * self.e - self.b * self.d;
        if !determinant.is_finite() || determinant.abs() < 1e-12 {
            return None;
        }
        let (a, b) = (self.e / determinant, -self.b / determinant);
        let (d, e) = (-self.d / determinant, self.a / determinant);
        Some(Self { a, b, c: -(a * self.c + b * self.f), d, e, f: -(d * self.c + e * self.f) })
    }

    /// The scale factor of a map that scales evenly.
    pub(crate) fn scale(&self) -> f64 {
        (self.a * self.e - self.b * self.d).abs().sqrt()
    }

    /// The similarity transform (rotation, even scale, translation) that brings `from` closest to `to` in the least
    /// squares sense.
    ///
    /// For five points in the plane the optimum without reflection has a closed form: with both sets centred, the
    /// complex factor is the sum of conj(from) * to over the sum of |from| squared. `None` when the points of
    /// `from` coincide.
    pub(crate) fn similarity(from: &[Point; 5], to: &[Point; 5]) -> Option<Self> {
        let mean = |points: &[Point; 5]| Point {
            x: points.iter().map(|p| p.x).sum::<f64>() / 5.0,
            y: points.iter().map(|p| p.y).sum::<f64>() / 5.0,
        };
        let (from_mean, to_mean) = (mean(from), mean(to));
        let (mut real, mut imaginary, mut spread) = (0.0, 0.0, 0.0);
        for (source, target) in from.iter().zip(to) {
            let (fx, fy) = (source.x - from_mean.x, source.y - from_mean.y);
            let (tx, ty) = (target.x - to_mean.x, target.y - to_mean.y);
            real += fx * tx + fy * ty;
            imaginary += fx * ty - fy * tx;
            spread += fx * fx + fy * fy;
        }
        if !spread.is_finite() || spread < 1e-9 {
            return None;
        }
        let (cosine, sine) = (real / spread, imaginary / spread);
        Some(Self {
            a: cosine,
            b: -sine,
            c: to_mean.x - cosine * from_mean.x + sine * from_mean.y,
            d: sine,
            e: cosine,
            f: to_mean.y - sine * from_mean.x - cosine * from_mean.y,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn points() -> impl Strategy<Value = [Point; 5]> {
        prop::array::uniform5((-500.0..500.0, -500.0..500.0)).prop_map(|all| all.map(|(x, y)| Point { x, y }))
    }

    fn square(left: f64, top: f64, side: f64) -> Rectangle {
        Rectangle { left, top, width: side, height: side }
    }

    #[test]
    fn overlap_is_intersection_over_union() {
        assert!((square(0.0, 0.0, 2.0).overlap(&square(1.0, 0.0, 2.0)) - 1.0 / 3.0).abs() < 1e-12);
        assert!(square(0.0, 0.0, 2.0).overlap(&square(3.0, 0.0, 2.0)).abs() < 1e-12);
        assert!((square(1.0, 1.0, 2.0).overlap(&square(1.0, 1.0, 2.0)) - 1.0).abs() < 1e-12);
        assert!(square(0.0, 0.0, 0.0).overlap(&square(0.0, 0.0, 0.0)).abs() < 1e-12);
    }

    #[test]
    fn points_that_coincide_have_no_similarity() {
        let same = [Point { x: 3.0, y: 4.0 }; 5];
        let spread = [1.0, 2.0, 3.0, 4.0, 5.0].map(|x| Point { x, y: -x });
        assert!(Affine::similarity(&same, &spread).is_none());
    }

    proptest! {
        #[test]
        fn a_similarity_is_recovered_exactly(
            from in points(), scale in 0.05_f64..20.0, angle in -3.1_f64..3.1, dx in -99.0..99.0, dy in -99.0..99.0
        ) {
            let (cosine, sine) = (scale * angle.cos(), scale * angle.sin());
            let truth = Affine { a: cosine, b: -sine, c: dx, d: sine, e: cosine, f: dy };
            let spread = from.iter().map(|p| p.distance(from[0])).fold(0.0, f64::max);
            prop_assume!(spread > 1.0);
            let found = Affine::similarity(&from, &from.map(|p| truth.apply(p))).unwrap();
            for point in from {
                prop_assert!(found.apply(point).distance(truth.apply(point)) < 1e-6);
            }
            prop_assert!((found.scale() - scale).abs() < 1e-6);
        }

        #[test]
        fn the_inverse_undoes_the_map(from in points(), to in points(), x in -99.0..99.0, y in -99.0..99.0) {
            if let Some(map) = Affine::similarity(&from, &to).filter(|map| map.scale() > 1e-3) {
                let here = Point { x, y };
                let back = map.inverse().unwrap().apply(map.apply(here));
                prop_assert!(back.distance(here) < 1e-4);
            }
        }

        #[test]
        fn overlap_is_symmetric_and_bounded(a in (0.0..9.0, 0.0..9.0, 0.1..9.0), b in (0.0..9.0, 0.0..9.0, 0.1..9.0)) {
            let (a, b) = (square(a.0, a.1, a.2), square(b.0, b.1, b.2));
            prop_assert!((0.0..=1.0 + 1e-12).contains(&a.overlap(&b)));
            prop_assert!((a.overlap(&b) - b.overlap(&a)).abs() < 1e-12);
        }
    }
}
