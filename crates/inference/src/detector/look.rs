use fast_image_resize::{FilterType, Resizer};

use crate::{
    decode::Picture,
    error::FaceError,
    faces::Detection,
    geometry::{Point, Rectangle},
    manifest::InputSize,
    normalisation::Normalisation,
    orientation::Orientation,
    raster::Raster,
    tensor::Tensor,
};

/// What a look is drawn on; its memory is used again for the next one.
#[derive(Default)]
pub(crate) struct Canvas {
    small: Raster,
    pub(crate) tensor: Tensor,
}

/// One way of putting a photo, or a part of it, before the network: turned, scaled, in a black frame.
pub(crate) struct Look {
    orientation: Orientation,
    /// What is looked at, in pixels of the photo held upright.
    part: Rectangle,
    /// That part scaled, as seen.
    scaled: (u32, u32),
    /// The network's input.
    tensor: (usize, usize),
    /// Where the scaled part begins within it.
    offset: (usize, usize),
}

impl Look {
    /// The whole photo, stored with this size, scaled to a long side of `side` within a frame whose long side is
    /// `frame` pixels; to less where the network's input has a fixed size that asks for it.
    pub(crate) fn at_whole(
        stored: (u32, u32),
        orientation: Orientation,
        (side, frame): (u32, u32),
        input: InputSize,
    ) -> Self {
        let photo = orientation.upright_size(stored);
        let long = f64::from(photo.0.max(photo.1));
        let (scale, tensor) = match input {
            InputSize::MultipleOf(multiple) => {
                let framed = |length: u32| {
                    times(f64::from(length), f64::from(frame) / long).next_multiple_of(multiple)
                };
                (f64::from(side) / long, (framed(photo.0), framed(photo.1)))
            }
            InputSize::Fixed { width, height } => {
                let fitting =
                    (f64::from(width) / f64::from(photo.0)).min(f64::from(height) / f64::from(photo.1));
                (fitting * f64::from(side) / f64::from(frame), (width, height))
            }
        };
        let scaled =
            (times(f64::from(photo.0), scale).min(tensor.0), times(f64::from(photo.1), scale).min(tensor.1));
        let offset = if frame > side {
            (((tensor.0 - scaled.0) / 2) as usize, ((tensor.1 - scaled.1) / 2) as usize)
        } else {
            (0, 0)
        };
        let part = Rectangle { left: 0.0, top: 0.0, width: f64::from(photo.0), height: f64::from(photo.1) };
        Self { orientation, part, scaled, tensor: (tensor.0 as usize, tensor.1 as usize), offset }
    }

    /// A square window of `side` pixels around a place, scaled by `scale`; black where it leaves the photo. `None` when
    /// it lies outside.
    pub(crate) fn at_window(
        stored: (u32, u32),
        orientation: Orientation,
        (centre, scale): (Point, f64),
        (side, input): (u32, InputSize),
    ) -> Option<Self> {
        let (columns, rows) = orientation.upright_size(stored);
        let tensor = match input {
            InputSize::MultipleOf(multiple) => {
                let side = side.next_multiple_of(multiple);
                (side, side)
            }
            InputSize::Fixed { width, height } => (width, height),
        };
        // Where the window begins, which whole pixels of the photo it holds, and where those stand in the window.
        let along = |centre: f64, length: u32, room: u32| {
            let reach = f64::from(room) / scale;
            let begin = (centre - reach / 2.0).round();
            let (from, to) = (begin.max(0.0), (begin + reach).floor().min(f64::from(length)));
            let offset = ((from - begin) * scale).round() as u32;
            (to - from >= 1.0 && offset < room).then(|| {
                let scaled = times(to - from, scale).min(room - offset);
                (from, to - from, scaled, offset as usize)
            })
        };
        let (left, width, across, x) = along(centre.x, columns, tensor.0)?;
        let (top, height, down, y) = along(centre.y, rows, tensor.1)?;
        let part = Rectangle { left, top, width, height };
        let tensor = (tensor.0 as usize, tensor.1 as usize);
        Some(Self { orientation, part, scaled: (across, down), tensor, offset: (x, y) })
    }

    /// Writes the network's input: one picture of three colours, black around what is looked at.
    pub(crate) fn draw(
        &self,
        picture: &Picture,
        pixels: Normalisation,
        resizer: &mut Resizer,
        onto: &mut Canvas,
    ) -> Result<(), FaceError> {
        // The pixels are scaled as they are stored; turning them is cheaper once they are few.
        let stored = self.orientation.upright_size(self.scaled);
        let part = picture.raster_part(self.orientation.stored_part(self.part, picture.size));
        picture.raster.resize_onto(&mut onto.small, part, stored, FilterType::Bilinear, resizer)?;
        onto.tensor.reset(self.tensor, pixels.black());
        let stored = (stored.0 as usize, stored.1 as usize);
        let (across, down) = (self.scaled.0 as usize, self.scaled.1 as usize);
        for channel in 0..3 {
            let colour = if pixels.blue_first { 2 - channel } else { channel };
            let (mean, deviation) = (pixels.mean[channel], pixels.deviation[channel]);
            let (small, plane) = (onto.small.rgb(), onto.tensor.plane(channel));
            for y in 0..down {
                let place = |x: usize| {
                    let (column, row) = self.orientation.stored_pixel((x, y), stored);
                    (row * stored.0 + column) * 3 + colour
                };
                // From one pixel seen to the next one it is always as far, or as far back, among those stored.
                let step = if across > 1 { place(1).wrapping_sub(place(0)) } else { 0 };
                let mut from = place(0);
                for value in &mut plane[(y + self.offset.1) * self.tensor.0 + self.offset.0..][..across] {
                    *value = (f32::from(small[from]) - mean) / deviation;
                    from = from.wrapping_add(step);
                }
            }
        }
        Ok(())
    }

    /// A face in the network's coordinates, in those of the upright photo.
    pub(crate) fn to_photo(&self, face: &Detection) -> Detection {
        let across = self.part.width / f64::from(self.scaled.0);
        let down = self.part.height / f64::from(self.scaled.1);
        let point = |p: Point| Point {
            x: self.part.left + (p.x - self.offset.0 as f64 + 0.5) * across - 0.5,
            y: self.part.top + (p.y - self.offset.1 as f64 + 0.5) * down - 0.5,
        };
        let corner = point(Point { x: face.rectangle.left, y: face.rectangle.top });
        let rectangle = Rectangle {
            left: corner.x,
            top: corner.y,
            width: face.rectangle.width * across,
            height: face.rectangle.height * down,
        };
        Detection { rectangle, landmarks: face.landmarks.map(point), score: face.score }
    }
}

/// A length scaled, in whole pixels, at least one.
fn times(length: f64, factor: f64) -> u32 {
    ((length * factor).round() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY: InputSize = InputSize::MultipleOf(32);
    const AS_THEY_ARE: Normalisation =
        Normalisation { blue_first: true, mean: [0.0; 3], deviation: [1.0; 3] };

    fn drawn(look: &Look, raster: Raster) -> Canvas {
        let mut canvas = Canvas::default();
        let picture = Picture::of(raster, Orientation::UPRIGHT);
        look.draw(&picture, AS_THEY_ARE, &mut Resizer::new(), &mut canvas).unwrap();
        canvas
    }

    #[test]
    fn a_portrait_photo_fills_the_tensor_from_its_corner() {
        let look = Look::at_whole((1080, 1440), Orientation::UPRIGHT, (320, 320), ANY);
        assert_eq!((look.scaled, look.tensor, look.offset), ((240, 320), (256, 320), (0, 0)));
        let raster = Raster::new(1080, 1440, [10, 20, 30].repeat(1080 * 1440)).unwrap();
        let canvas = drawn(&look, raster);
        let tensor = canvas.tensor.view().unwrap();
        assert_eq!(tensor.dim(), (1, 3, 320, 256));
        assert_eq!([0, 1, 2].map(|colour| tensor[[0, colour, 0, 0]]), [30.0, 20.0, 10.0], "blue first");
        assert_eq!([239, 240].map(|x| tensor[[0, 0, 0, x]]), [30.0, 0.0], "black beyond the photo");
    }

    /// Each orientation puts the pixel that it shows at a place there, whatever the place.
    #[test]
    fn every_orientation_is_drawn_as_it_is_seen() {
        let (width, height) = (32_u32, 64_u32);
        let rgb: Vec<u8> =
            (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 0])).collect();
        let mut orientation = Orientation::UPRIGHT;
        for _ in 0..4 {
            let raster = Raster::new(width, height, rgb.clone()).unwrap();
            let look = Look::at_whole((width, height), orientation, (64, 64), ANY);
            let mut canvas = Canvas::default();
            let picture = Picture::of(raster, orientation);
            look.draw(&picture, AS_THEY_ARE, &mut Resizer::new(), &mut canvas).unwrap();
            let tensor = canvas.tensor.view().unwrap();
            for (x, y) in [(0, 0), (31, 0), (5, 17), (31, 31)] {
                let (column, row) = orientation.stored_pixel((x, y), (32, 64));
                let seen = (tensor[[0, 2, y, x]], tensor[[0, 1, y, x]]);
                assert_eq!(seen, (column as f32, row as f32), "{orientation:?}");
            }
            orientation = orientation.turned_clockwise();
        }
    }

    /// A picture with fewer pixels than its photo is drawn as the photo itself.
    #[test]
    fn a_reduced_picture_is_drawn_at_the_photos_places() {
        let look =
            Look::at_window((400, 400), Orientation::UPRIGHT, (Point { x: 200.0, y: 200.0 }, 1.0), (64, ANY));
        let look = look.unwrap();
        let gradient = |side: u32, step: u32| {
            let value = move |at: u32| ((2 * at + 1) * step / 4).min(255) as u8;
            let rgb = (0..side).flat_map(|_| (0..side).flat_map(move |x| [value(x); 3])).collect();
            Picture::of(Raster::new(side, side, rgb).unwrap(), Orientation::UPRIGHT)
        };
        let (whole, mut reduced) = (gradient(400, 1), gradient(100, 4));
        (reduced.reduction, reduced.size) = (4, (400, 400));
        let [ours, theirs] = [reduced, whole].map(|picture| {
            let mut canvas = Canvas::default();
            look.draw(&picture, AS_THEY_ARE, &mut Resizer::new(), &mut canvas).unwrap();
            canvas.tensor.view().unwrap().to_owned()
        });
        let inner = (4..60).map(|x| (ours[[0, 0, 30, x]] - theirs[[0, 0, 30, x]]).abs());
        assert!(inner.fold(0.0, f32::max) <= 2.0, "{ours:?} for {theirs:?}");
    }

    #[test]
    fn a_close_up_stands_in_the_middle_of_its_frame() {
        let look = Look::at_whole((1000, 1000), Orientation::UPRIGHT, (160, 320), ANY);
        assert_eq!((look.scaled, look.tensor, look.offset), ((160, 160), (320, 320), (80, 80)));
    }

    #[test]
    fn a_network_of_fixed_size_gets_exactly_that() {
        let fixed = InputSize::Fixed { width: 640, height: 640 };
        let look = Look::at_whole((1080, 1440), Orientation::UPRIGHT, (320, 320), fixed);
        assert_eq!((look.scaled, look.tensor), ((480, 640), (640, 640)));
        let close_up = Look::at_whole((1080, 1440), Orientation::UPRIGHT, (160, 320), fixed);
        assert_eq!((close_up.scaled, close_up.offset), ((240, 320), (200, 160)));
    }

    #[test]
    fn a_thread_of_a_photo_still_has_a_size() {
        let look = Look::at_whole((16_384, 1), Orientation::UPRIGHT, (320, 320), ANY);
        assert_eq!((look.scaled, look.tensor), ((320, 1), (320, 32)));
    }

    #[test]
    fn a_window_over_the_edge_is_black_there() {
        let window = (Point { x: 0.0, y: 100.0 }, 2.0);
        let look = Look::at_window((400, 200), Orientation::UPRIGHT, window, (320, ANY)).unwrap();
        assert_eq!((look.tensor, look.scaled, look.offset), ((320, 320), (160, 320), (160, 0)));
        let raster = Raster::new(400, 200, vec![9; 400 * 200 * 3]).unwrap();
        let canvas = drawn(&look, raster);
        assert_eq!([159, 160].map(|x| canvas.tensor.view().unwrap()[[0, 0, 0, x]]), [0.0, 9.0]);
    }

    #[test]
    fn a_window_outside_the_photo_is_none() {
        let far = (Point { x: 9e5, y: 0.0 }, 1.0);
        assert!(Look::at_window((400, 200), Orientation::UPRIGHT, far, (320, ANY)).is_none());
    }

    /// What stands at a point of the photo is found again at that point.
    fn returns(look: &Look, photo: Point) -> bool {
        let seen = |value: f64, from: f64, length: f64, scaled: u32, offset: usize| {
            (value + 0.5 - from) * f64::from(scaled) / length - 0.5 + offset as f64
        };
        let seen = Point {
            x: seen(photo.x, look.part.left, look.part.width, look.scaled.0, look.offset.0),
            y: seen(photo.y, look.part.top, look.part.height, look.scaled.1, look.offset.1),
        };
        let rectangle = Rectangle { left: seen.x, top: seen.y, width: 1.0, height: 1.0 };
        let back = look.to_photo(&Detection { rectangle, landmarks: [seen; 5], score: 1.0 });
        back.landmarks[0].distance(photo) < 1e-6 && (back.rectangle.left - photo.x).abs() < 1e-6
    }

    proptest! {
        #[test]
        fn faces_return_to_where_the_photo_has_them(
            width in 20_u32..5000, height in 20_u32..5000, factor in 1_u32..3, x in 0.0_f64..1.0, y in 0.0_f64..1.0
        ) {
            let look = Look::at_whole((width, height), Orientation::UPRIGHT, (160, 160 * factor), ANY);
            let photo = Point { x: x * f64::from(width), y: y * f64::from(height) };
            prop_assert!(returns(&look, photo));
            if let Some(window) = Look::at_window((width, height), Orientation::UPRIGHT, (photo, x + 0.1), (320, ANY)) {
                prop_assert!(returns(&window, photo));
                prop_assert!(window.offset.0 + window.scaled.0 as usize <= window.tensor.0);
                prop_assert!(window.part.left + window.part.width <= f64::from(width));
            }
        }
    }
}
