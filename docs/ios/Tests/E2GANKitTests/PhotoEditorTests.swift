import CoreImage
import XCTest
@testable import E2GANKit

/// With a package that `e2gan export coreml` wrote: `E2GAN_PACKAGE=Concepts.mlpackage swift test`.
final class PhotoEditorTests: XCTestCase {
    func testEveryConceptEditsAPhoto() async throws {
        guard let path = ProcessInfo.processInfo.environment["E2GAN_PACKAGE"] else {
            throw XCTSkip("E2GAN_PACKAGE names no package")
        }
        let editor = try await PhotoEditor(contentsOf: URL(fileURLWithPath: path))
        let photo = try XCTUnwrap(gradient(width: 400, height: 300))
        var edits: Set<Data> = []
        for concept in editor.concepts {
            let edit = try editor.edit(photo, with: concept.id)
            let size = Fit.nearest(of: editor.contents.sizes, to: CGSize(width: 400, height: 300))
            XCTAssertEqual(CGSize(width: edit.width, height: edit.height), size)
            edits.insert(try XCTUnwrap(edit.dataProvider?.data as Data?))
        }
        XCTAssertEqual(edits.count, editor.concepts.count, "two concepts make the same edit")
        XCTAssertThrowsError(try editor.edit(photo, with: "nobody")) {
            XCTAssertEqual($0 as? EditError, .unknownConcept("nobody"))
        }
    }

    private func gradient(width: Int, height: Int) -> CGImage? {
        let filter = CIFilter(name: "CILinearGradient", parameters: [
            "inputPoint0": CIVector(x: 0, y: 0), "inputColor0": CIColor(red: 0.1, green: 0.3, blue: 0.8),
            "inputPoint1": CIVector(x: 0, y: CGFloat(height)), "inputColor1": CIColor(red: 0.9, green: 0.8, blue: 0.4),
        ])
        return filter?.outputImage.flatMap {
            CIContext().createCGImage($0, from: CGRect(x: 0, y: 0, width: width, height: height))
        }
    }
}
