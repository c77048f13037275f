//! Pictures made up to be looked at.

use std::{fmt, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crc32fast::Hasher;
use miniz_oxide::deflate::compress_to_vec_zlib;
use rand::{Rng as _, RngExt as _, SeedableRng, rngs::ChaCha8Rng};

/// PNGs of one size, no two of them alike: so no server finds one in a cache.
///
/// Each is a blend of four colours with noise over it, as a photograph has: 8 bits for each of red, green and
/// blue, of which compression leaves some 60 %. The same index and seed give the same image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Images {
    count: u32,
    width: u32,
    height: u32,
}

/// Numbers that make no images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidImages {
    /// A side is 0 or too long.
    #[error("{0} x {1} pixels are no size of an image: give 1 to {most} each", most = Images::MOST_PIXELS)]
    Size(u32, u32),
    /// There are none, or too many.
    #[error("{0} images are no number for a request: give 1 to {most}", most = Images::MOST)]
    Count(u32),
}

impl Images {
    /// The most of a request.
    pub const MOST: u32 = 100;
    /// The most pixels of a side.
    pub const MOST_PIXELS: u32 = 4_096;

    /// `count` images for each request, of `width` x `height` pixels.
    ///
    /// # Errors
    ///
    /// Unless there are 1 to [`MOST`](Self::MOST), of 1 to [`MOST_PIXELS`](Self::MOST_PIXELS) each way.
    pub fn new(count: u32, width: u32, height: u32) -> Result<Self, InvalidImages> {
        let pixels = 1..=Self::MOST_PIXELS;
        if !pixels.contains(&width) || !pixels.contains(&height) {
            return Err(InvalidImages::Size(width, height));
        }
        if !(1..=Self::MOST).contains(&count) {
            return Err(InvalidImages::Count(count));
        }
        Ok(Self { count, width, height })
    }

    /// Those of request number `index`, as `data:image/png;base64,…`.
    pub fn of(&self, index: u64, seed: u64) -> Vec<Arc<str>> {
        let count = u64::from(self.count);
        let number = |place: u64| index.wrapping_mul(count).wrapping_add(place);
        (0..count).map(|place| self.image(number(place), seed)).collect()
    }

    /// About how many bytes the URLs of a request have: to some percent, told from a part of one.
    pub fn bytes(&self) -> u64 {
        let part = Self { height: self.height.min(64), ..*self };
        let part_bytes = part.image(0, 0).len() as u64;
        part_bytes * u64::from(self.height) / u64::from(part.height) * u64::from(self.count)
    }

    fn image(&self, number: u64, seed: u64) -> Arc<str> {
        let url =
            format!("data:image/png;base64,{}", BASE64_STANDARD.encode(self.png(number, seed)));
        url.into()
    }

    fn png(&self, number: u64, seed: u64) -> Vec<u8> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        random.set_stream(number);
        let size = [self.width.to_be_bytes(), self.height.to_be_bytes()].concat();
        // Bits a sample, truecolour, and the only ways of compressing, filtering and interlacing: none of the last.
        let header = [size, vec![8, 2, 0, 0, 0]].concat();
        let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
        chunk(&mut png, *b"IHDR", &header);
        chunk(&mut png, *b"IDAT", &self.pixels(&mut random));
        chunk(&mut png, *b"IEND", &[]);
        png
    }

    /// The rows, each sample less the one to its left (filter `Sub`), compressed.
    fn pixels(&self, random: &mut ChaCha8Rng) -> Vec<u8> {
        const SUB: u8 = 1;
        let corners: [[i32; 3]; 4] = std::array::from_fn(|_| {
            std::array::from_fn(|_| random.random_range(NOISE..256 - NOISE))
        });
        let mut rows = Vec::new();
        let mut row = vec![SUB; 1 + 3 * self.width as usize];
        for y in 0..self.height {
            random.fill_bytes(&mut row[1..]);
            let mut left = [0_u8; 3];
            for ((x, colour), byte) in pixels(self.width).zip(&mut row[1..]) {
                let noise = i32::from(*byte) % (2 * NOISE) - NOISE;
                let sample = self.blend(x, y, corners.map(|corner| corner[colour])) + noise;
                let sample = u8::try_from(sample).expect("corners leave room for noise");
                *byte = sample.wrapping_sub(left[colour]);
                left[colour] = sample;
            }
            rows.extend_from_slice(&row);
        }
        // The fastest level: noise has no repetitions to look for.
        compress_to_vec_zlib(&rows, 1)
    }

    /// The value at a pixel between those of the four corners.
    fn blend(&self, x: u32, y: u32, corners: [i32; 4]) -> i32 {
        let between = |from: i32, to: i32, at: u32, all: u32| {
            // Both are at most 4096, and colours 255.
            from + (to - from) * at.cast_signed() / all.cast_signed()
        };
        let top = between(corners[0], corners[1], x, self.width);
        let bottom = between(corners[2], corners[3], x, self.width);
        between(top, bottom, y, self.height)
    }
}

/// How far noise takes a sample up or down.
const NOISE: i32 = 8;

/// Each colour of each pixel of a row.
fn pixels(width: u32) -> impl Iterator<Item = (u32, usize)> {
    (0..width).flat_map(|x| (0..3).map(move |colour| (x, colour)))
}

/// Its length, name, content and checksum.
fn chunk(png: &mut Vec<u8>, name: [u8; 4], content: &[u8]) {
    let length = u32::try_from(content.len()).expect("pixels are limited, and so are their bytes");
    let mut sum = Hasher::new();
    sum.update(&name);
    sum.update(content);
    png.extend(length.to_be_bytes());
    png.extend(name);
    png.extend(content);
    png.extend(sum.finalize().to_be_bytes());
}

/// `1 image of 512x512` or `2 images of 640x480`.
impl fmt::Display for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, width, height } = self;
        let noun = if *count == 1 { "image" } else { "images" };
        write!(f, "{count} {noun} of {width}x{height}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use miniz_oxide::inflate::decompress_to_vec_zlib;

    use super::*;

    fn images(count: u32, width: u32, height: u32) -> Images {
        Images::new(count, width, height).unwrap()
    }

    fn bytes(url: &str) -> Vec<u8> {
        BASE64_STANDARD.decode(url.strip_prefix("data:image/png;base64,").unwrap()).unwrap()
    }

    /// The chunks of a PNG, their checksums checked.
    fn chunks(png: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut rest = png.strip_prefix(b"\x89PNG\r\n\x1a\n").unwrap();
        let mut chunks = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            let (named, after) = rest[4..].split_at(4 + length);
            let mut sum = Hasher::new();
            sum.update(named);
            assert_eq!(after[..4], sum.finalize().to_be_bytes());
            chunks.push((String::from_utf8(named[..4].to_vec()).unwrap(), named[4..].to_vec()));
            rest = &after[4..];
        }
        chunks
    }

    #[test]
    fn an_image_is_a_png_of_its_size() {
        for (width, height) in [(1, 1), (3, 2), (257, 64)] {
            let [url] = &images(1, width, height).of(5, 1)[..] else { panic!() };
            let chunks = chunks(&bytes(url));
            let names: Vec<&str> = chunks.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["IHDR", "IDAT", "IEND"]);
            let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
            assert_eq!(chunks[0].1, [&size[..], &[8, 2, 0, 0, 0]].concat());
            let rows = decompress_to_vec_zlib(&chunks[1].1).unwrap();
            let row = 1 + 3 * width as usize;
            assert_eq!(rows.len(), row * height as usize);
            assert!(rows.chunks(row).all(|row| row[0] == 1), "each row begins with its filter");
        }
    }

    #[test]
    fn no_two_are_alike_and_each_comes_again_with_its_seed() {
        let two = images(2, 16, 16);
        let all = |seed| (0..50).flat_map(|n| two.of(n, seed)).collect::<Vec<_>>();
        assert_eq!(all(1).iter().collect::<HashSet<_>>().len(), 100);
        assert_eq!(all(1), all(1));
        assert!(all(2).iter().all(|image| !all(1).contains(image)));
    }

    #[test]
    fn detail_is_not_compressed_to_nothing_and_sizes_are_known() {
        for (count, width, height) in [(1, 64, 64), (3, 200, 100), (1, 512, 512)] {
            let images = images(count, width, height);
            let pixels = f64::from(width * height * count);
            let said = images.bytes() as f64;
            let each = said / pixels;
            // 24 bits a pixel, of which 14 are left at least, in base64.
            assert!((14.0 / 8.0..24.0 / 8.0).contains(&each), "{images}: {each} bytes a pixel");
            let made = images.of(9, 3).iter().map(|url| url.len()).sum::<usize>() as f64;
            assert!((made - said).abs() < 0.05 * said, "{images}: {made} of {said}");
        }
    }

    #[test]
    fn what_cannot_be_made_is_refused() {
        for (count, width, height) in [(0, 1, 1), (101, 1, 1), (1, 0, 1), (1, 1, 4097)] {
            assert!(Images::new(count, width, height).is_err(), "{count} {width}x{height}");
        }
        assert_eq!(images(1, 512, 512).to_string(), "1 image of 512x512");
        assert_eq!(images(2, 640, 480).to_string(), "2 images of 640x480");
    }
}
