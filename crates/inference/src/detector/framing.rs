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

/// Buffers for the network's input, reused from run to run.
#[derive(Default)]
pub(crate) struct InputBuffers {
    small: Raster,
    pub(crate) tensor: Tensor,
}

impl InputBuffers {
    /// Overwrites the pixels.
    pub(crate) fn wipe(&mut self) {
        self.small.wipe();
        self.tensor.wipe();
    }

    #[cfg(test)]
    pub(crate) fn is_wiped(&self) -> bool {
        self.small.rgb().iter().all(|byte| *byte == 0) && self.tensor.is_wiped()
    }
}

/// The placement of a photo, or of a part of it, in the network's input: rotated, scaled, and surrounded by black.
pub(crate) struct Framing {
    orientation: Orientation,
    /// The part of the upright photo, in its pixels.
    part: Rectangle,
    /// Width and height of the scaled part.
    scaled: (u32, u32),
    /// Width and height of the network's input.
    tensor: (usize, usize),
    /// The position of the scaled part in the input.
    offset: (usize, usize),
}

/// The size at which the entire photo is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PhotoScale {
    /// The long side of the scaled photo, in pixels.
    pub(crate) side: u32,
    /// The long side of the black frame around it, in pixels.
    pub(crate) frame: u32,
}

impl PhotoScale {
    /// No frame: the photo fills the input.
    pub(crate) fn filling(side: u32) -> Self {
        Self { side, frame: side }
    }
}

/// A part of the photo around a face.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Its centre, in pixels of the upright photo.
    pub(crate) centre: Point,
    /// Pixels of the input for a pixel of the photo.
    pub(crate) scale: f64,
    /// Its width and height, in pixels of the input.
    pub(crate) size: (u32, u32),
}

/// The part of a window that lies within the photo, along one axis.
struct WindowSpan {
    /// Its first pixel of the photo.
    from: f64,
    /// Its length in pixels of the photo.
    length: f64,
    /// Its length in pixels of the input.
    scaled: u32,
    /// Its position in the input.
    offset: usize,
}

impl Framing {
    /// The entire photo, whose stored pixels have this size. A network whose input has a fixed size gets the photo
    /// scaled to fit that input.
    pub(crate) fn of_photo(
        stored: (u32, u32),
        orientation: Orientation,
        PhotoScale { side, frame }: PhotoScale,
        input: InputSize,
    ) -> Self {
        let photo = orientation.upright_size(stored);
        let long = f64::from(photo.0.max(photo.1));
        let (scale, tensor) = match input {
            InputSize::MultipleOf(multiple) => {
                let framed = |length: u32| {
                    scaled_length(f64::from(length), f64::from(frame) / long).next_multiple_of(multiple)
                };
                (f64::from(side) / long, (framed(photo.0), framed(photo.1)))
            }
            InputSize::Fixed { width, height } => {
                let fitting =
                    (f64::from(width) / f64::from(photo.0)).min(f64::from(height) / f64::from(photo.1));
                (fitting * f64::from(side) / f64::from(frame), (width, height))
            }
        };
        let scaled = (
            scaled_length(f64::from(photo.0), scale).min(tensor.0),
            scaled_length(f64::from(photo.1), scale).min(tensor.1),
        );
        let offset = if frame > side {
            (((tensor.0 - scaled.0) / 2) as usize, ((tensor.1 - scaled.1) / 2) as usize)
        } else {
            (0, 0)
        };
        let part = Rectangle { left: 0.0, top: 0.0, width: f64::from(photo.0), height: f64::from(photo.1) };
        Self { orientation, part, scaled, tensor: (tensor.0 as usize, tensor.1 as usize), offset }
    }

    /// A window, black where it extends beyond the photo. `None` when it lies outside the photo.
    pub(crate) fn of_window(
        stored: (u32, u32),
        orientation: Orientation,
        Window { centre, scale, size }: Window,
        input: InputSize,
    ) -> Option<Self> {
        let (columns, rows) = orientation.upright_size(stored);
        let tensor = match input {
            InputSize::MultipleOf(multiple) => {
                (size.0.next_multiple_of(multiple), size.1.next_multiple_of(multiple))
            }
            InputSize::Fixed { width, height } => (width, height),
        };
        let span = |centre: f64, photo_length: u32, input_length: u32| {
            let window_length = f64::from(input_length) / scale;
            let begin = (centre - window_length / 2.0).round();
            let from = begin.max(0.0);
            let length = (begin + window_length).floor().min(f64::from(photo_length)) - from;
            let offset = ((from - begin) * scale).round() as u32;
            (length >= 1.0 && offset < input_length).then(|| {
                let scaled = scaled_length(length, scale).min(input_length - offset);
                WindowSpan { from, length, scaled, offset: offset as usize }
            })
        };
        let across = span(centre.x, columns, tensor.0)?;
        let down = span(centre.y, rows, tensor.1)?;
        Some(Self {
            orientation,
            part: Rectangle { left: across.from, top: down.from, width: across.length, height: down.length },
            scaled: (across.scaled, down.scaled),
            tensor: (tensor.0 as usize, tensor.1 as usize),
            offset: (across.offset, down.offset),
        })
    }

    /// Writes the network's input: one picture of three channels, black around the part of the photo.
    pub(crate) fn draw(
        &self,
        picture: &Picture,
        normalisation: Normalisation,
        resizer: &mut Resizer,
        buffers: &mut InputBuffers,
    ) -> Result<(), FaceError> {
        // The pixels are scaled before they are rotated, because rotating fewer pixels is cheaper.
        let stored = self.orientation.upright_size(self.scaled);
        let part = picture.raster_part(self.orientation.stored_part(self.part, picture.size));
        picture.raster.resize_onto(&mut buffers.small, part, stored, FilterType::Bilinear, resizer)?;
        let stored = (stored.0 as usize, stored.1 as usize);
        let (across, down) = (self.scaled.0 as usize, self.scaled.1 as usize);
        let columns = self.offset.0..self.offset.0 + across;
        let rows = self.offset.1..self.offset.1 + down;
        buffers.tensor.resize(self.tensor);
        buffers.tensor.fill_around(&columns, &rows, normalisation.black());
        let [red, green, blue] = normalisation.of_values();
        let [reds, greens, blues] = normalisation.by_colour(buffers.tensor.planes());
        let (pixels, _) = buffers.small.rgb().as_chunks::<3>();
        for (y, row) in rows.enumerate() {
            let index = |x: usize| {
                let (column, row) = self.orientation.stored_pixel((x, y), stored);
                row * stored.0 + column
            };
            // Neighbours in a row of the upright photo are a constant step apart in memory, which may be negative.
            let step = if across > 1 { index(1).wrapping_sub(index(0)) } else { 0 };
            let mut from = index(0);
            let row = row * self.tensor.0 + columns.start..row * self.tensor.0 + columns.end;
            let row = reds[row.clone()].iter_mut().zip(&mut greens[row.clone()]).zip(&mut blues[row]);
            for ((to_red, to_green), to_blue) in row {
                let [r, g, b] = pixels[from];
                *to_red = red[usize::from(r)];
                *to_green = green[usize::from(g)];
                *to_blue = blue[usize::from(b)];
                from = from.wrapping_add(step);
            }
        }
        Ok(())
    }

    /// Converts a face from the input's coordinates to those of the upright photo.
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

/// A scaled length in whole pixels, at least one.
fn scaled_length(length: f64, factor: f64) -> u32 {
    ((length * factor).round() as u32).max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANY: InputSize = InputSize::MultipleOf(32);
    const UNCHANGED: Normalisation = Normalisation { blue_first: true, mean: [0.0; 3], deviation: [1.0; 3] };

    fn draw_upright(framing: &Framing, raster: Raster) -> InputBuffers {
        let mut buffers = InputBuffers::default();
        let picture = Picture::of(raster, Orientation::UPRIGHT);
        framing.draw(&picture, UNCHANGED, &mut Resizer::new(), &mut buffers).unwrap();
        buffers
    }

    #[test]
    fn a_portrait_photo_fills_the_tensor_from_its_corner() {
        let framing = Framing::of_photo((1080, 1440), Orientation::UPRIGHT, PhotoScale::filling(320), ANY);
        assert_eq!((framing.scaled, framing.tensor, framing.offset), ((240, 320), (256, 320), (0, 0)));
        let raster = Raster::new(1080, 1440, [10, 20, 30].repeat(1080 * 1440)).unwrap();
        let buffers = draw_upright(&framing, raster);
        let tensor = buffers.tensor.view().unwrap();
        assert_eq!(tensor.dim(), (1, 3, 320, 256));
        assert_eq!([0, 1, 2].map(|colour| tensor[[0, colour, 0, 0]]), [30.0, 20.0, 10.0], "blue first");
        assert_eq!([239, 240].map(|x| tensor[[0, 0, 0, x]]), [30.0, 0.0], "black beyond the photo");
    }

    #[test]
    fn every_orientation_is_drawn_upright() {
        let (width, height) = (32_u32, 64_u32);
        let rgb: Vec<u8> =
            (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 0])).collect();
        let mut orientation = Orientation::UPRIGHT;
        for _ in 0..4 {
            let raster = Raster::new(width, height, rgb.clone()).unwrap();
            let framing = Framing::of_photo((width, height), orientation, PhotoScale::filling(64), ANY);
            let mut buffers = InputBuffers::default();
            let picture = Picture::of(raster, orientation);
            framing.draw(&picture, UNCHANGED, &mut Resizer::new(), &mut buffers).unwrap();
            let tensor = buffers.tensor.view().unwrap();
            for (x, y) in [(0, 0), (31, 0), (5, 17), (31, 31)] {
                let (column, row) = orientation.stored_pixel((x, y), (32, 64));
                let seen = (tensor[[0, 2, y, x]], tensor[[0, 1, y, x]]);
                assert_eq!(seen, (column as f32, row as f32), "{orientation:?}");
            }
            orientation = orientation.turned_clockwise();
        }
    }

    #[test]
    fn a_reduced_picture_is_drawn_like_the_full_photo() {
        let window = Window { centre: Point { x: 200.0, y: 200.0 }, scale: 1.0, size: (64, 64) };
        let framing = Framing::of_window((400, 400), Orientation::UPRIGHT, window, ANY).unwrap();
        let gradient = |side: u32, step: u32| {
            let value = move |at: u32| ((2 * at + 1) * step / 4).min(255) as u8;
            let rgb = (0..side).flat_map(|_| (0..side).flat_map(move |x| [value(x); 3])).collect();
            Picture::of(Raster::new(side, side, rgb).unwrap(), Orientation::UPRIGHT)
        };
        let (whole, mut reduced) = (gradient(400, 1), gradient(100, 4));
        (reduced.reduction, reduced.size) = (4, (400, 400));
        let [ours, theirs] = [reduced, whole].map(|picture| {
            let mut buffers = InputBuffers::default();
            framing.draw(&picture, UNCHANGED, &mut Resizer::new(), &mut buffers).unwrap();
            buffers.tensor.view().unwrap().to_owned()
        });
        let inner = (4..60).map(|x| (ours[[0, 0, 30, x]] - theirs[[0, 0, 30, x]]).abs());
        assert!(inner.fold(0.0, f32::max) <= 2.0, "{ours:?} for {theirs:?}");
    }

    #[test]
    fn a_framed_photo_lies_in_the_middle() {
        let framing =
            Framing::of_photo((1000, 1000), Orientation::UPRIGHT, PhotoScale { side: 160, frame: 320 }, ANY);
        assert_eq!((framing.scaled, framing.tensor, framing.offset), ((160, 160), (320, 320), (80, 80)));
    }

    #[test]
    fn an_input_of_fixed_size_keeps_its_size() {
        let fixed = InputSize::Fixed { width: 640, height: 640 };
        let framing = Framing::of_photo((1080, 1440), Orientation::UPRIGHT, PhotoScale::filling(320), fixed);
        assert_eq!((framing.scaled, framing.tensor), ((480, 640), (640, 640)));
        let close_up = Framing::of_photo(
            (1080, 1440),
            Orientation::UPRIGHT,
            PhotoScale { side: 160, frame: 320 },
            fixed,
        );
        assert_eq!((close_up.scaled, close_up.offset), ((240, 320), (200, 160)));
    }

    #[test]
    fn a_photo_one_pixel_high_keeps_a_height_of_one() {
        let framing = Framing::of_photo((16_384, 1), Orientation::UPRIGHT, PhotoScale::filling(320), ANY);
        assert_eq!((framing.scaled, framing.tensor), ((320, 1), (320, 32)));
    }

    #[test]
    fn a_window_is_black_beyond_the_edge_of_the_photo() {
        let window = Window { centre: Point { x: 0.0, y: 100.0 }, scale: 2.0, size: (320, 320) };
        let framing = Framing::of_window((400, 200), Orientation::UPRIGHT, window, ANY).unwrap();
        assert_eq!((framing.tensor, framing.scaled, framing.offset), ((320, 320), (160, 320), (160, 0)));
        let raster = Raster::new(400, 200, vec![9; 400 * 200 * 3]).unwrap();
        let buffers = draw_upright(&framing, raster);
        assert_eq!([159, 160].map(|x| buffers.tensor.view().unwrap()[[0, 0, 0, x]]), [0.0, 9.0]);
    }

    #[test]
    fn a_window_may_be_higher_than_wide() {
        let window = Window { centre: Point { x: 200.0, y: 100.0 }, scale: 2.0, size: (160, 250) };
        let framing = Framing::of_window((400, 200), Orientation::UPRIGHT, window, ANY).unwrap();
        assert_eq!((framing.tensor, framing.scaled, framing.offset), ((160, 256), (160, 256), (0, 0)));
        let part = Rectangle { left: 160.0, top: 36.0, width: 80.0, height: 128.0 };
        assert_eq!(framing.part, part);
        let lying =
            Framing::of_window((200, 400), Orientation::UPRIGHT.turned_clockwise(), window, ANY).unwrap();
        assert_eq!((lying.tensor, lying.part), (framing.tensor, part));
    }

    #[test]
    fn a_window_outside_the_photo_is_none() {
        let far = Window { centre: Point { x: 9e5, y: 0.0 }, scale: 1.0, size: (320, 320) };
        assert!(Framing::of_window((400, 200), Orientation::UPRIGHT, far, ANY).is_none());
    }

    /// Whether a point of the photo, mapped into the input, is mapped back to itself.
    fn maps_back(framing: &Framing, photo: Point) -> bool {
        let forward = |value: f64, from: f64, length: f64, scaled: u32, offset: usize| {
            (value + 0.5 - from) * f64::from(scaled) / length - 0.5 + offset as f64
        };
        let seen = Point {
            x: forward(photo.x, framing.part.left, framing.part.width, framing.scaled.0, framing.offset.0),
            y: forward(photo.y, framing.part.top, framing.part.height, framing.scaled.1, framing.offset.1),
        };
        let rectangle = Rectangle { left: seen.x, top: seen.y, width: 1.0, height: 1.0 };
        let back = framing.to_photo(&Detection { rectangle, landmarks: [seen; 5], score: 1.0 });
        back.landmarks[0].distance(photo) < 1e-6 && (back.rectangle.left - photo.x).abs() < 1e-6
    }

    proptest! {
        #[test]
        fn faces_are_mapped_back_to_their_position_in_the_photo(
            width in 20_u32..5000, height in 20_u32..5000, factor in 1_u32..3, x in 0.0_f64..1.0, y in 0.0_f64..1.0
        ) {
            let scale = PhotoScale { side: 160, frame: 160 * factor };
            let framing = Framing::of_photo((width, height), Orientation::UPRIGHT, scale, ANY);
            let photo = Point { x: x * f64::from(width), y: y * f64::from(height) };
            prop_assert!(maps_back(&framing, photo));
            let window = Window { centre: photo, scale: x + 0.1, size: (320, 320) };
            if let Some(window) = Framing::of_window((width, height), Orientation::UPRIGHT, window, ANY) {
                prop_assert!(maps_back(&window, photo));
                prop_assert!(window.offset.0 + window.scaled.0 as usize <= window.tensor.0);
                prop_assert!(window.part.left + window.part.width <= f64::from(width));
            }
        }
    }
}
