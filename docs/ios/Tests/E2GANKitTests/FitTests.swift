import XCTest
@testable import E2GANKit

final class FitTests: XCTestCase {
    func testTheSizeOfThePhotosShapeIsChosen() {
        let sizes = [[256, 256], [384, 512], [512, 384]]
        XCTAssertEqual(Fit.nearest(of: sizes, to: CGSize(width: 4000, height: 3000)), CGSize(width: 512, height: 384))
        XCTAssertEqual(Fit.nearest(of: sizes, to: CGSize(width: 480, height: 640)), CGSize(width: 384, height: 512))
        XCTAssertEqual(Fit.nearest(of: sizes, to: CGSize(width: 100, height: 99)), CGSize(width: 256, height: 256))
    }

    func testTheMiddleOfThePhotoFillsTheSize() {
        let photo = CGRect(x: 10, y: 20, width: 400, height: 300)
        let transform = Fit.transform(from: photo, to: CGSize(width: 200, height: 300))
        XCTAssertEqual(CGPoint(x: photo.midX, y: photo.midY).applying(transform), CGPoint(x: 100, y: 150))
        XCTAssertEqual(photo.applying(transform), CGRect(x: -100, y: 0, width: 400, height: 300))
    }
}
