import CoreGraphics

/// How a photo is brought to a size that the model takes.
enum Fit {
    /// The size, of those that there are, whose shape is the photo's most nearly; the first of equals.
    static func nearest(of sizes: [[Int]], to photo: CGSize) -> CGSize {
        func difference(_ size: [Int]) -> CGFloat {
            let ratio = (CGFloat(size[0]) * photo.height) / (CGFloat(size[1]) * photo.width)
            return max(ratio, 1 / ratio)
        }
        let size = sizes.min { difference($0) < difference($1) }!
        return CGSize(width: size[0], height: size[1])
    }

    /// Scales a picture so that it just covers `size`, its middle in the middle.
    static func transform(from extent: CGRect, to size: CGSize) -> CGAffineTransform {
        let scale = max(size.width / extent.width, size.height / extent.height)
        return CGAffineTransform(translationX: size.width / 2, y: size.height / 2)
            .scaledBy(x: scale, y: scale)
            .translatedBy(x: -extent.midX, y: -extent.midY)
    }
}
