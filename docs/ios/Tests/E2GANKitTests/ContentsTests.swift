import XCTest
@testable import E2GANKit

final class ContentsTests: XCTestCase {
    let metadata = [
        "e2gan.concepts": """
            [{"function": "old_photo", "id": "old-photo", "title": "Old photo", "version": "1.0.0", "prompt": "an old photo",
              "license": "apache-2.0", "authors": ["A. Nyone"], "description": ""}]
            """,
        "e2gan.sizes": "[[256, 256], [384, 512]]",
        "e2gan.base": #"{"id": "scenery", "version": "1.0.0", "license": "apache-2.0", "sha256": "00ff"}"#,
    ]

    func testWhatThePackageSaysIsRead() throws {
        let contents = try Contents(metadata: metadata)
        XCTAssertEqual(contents.concepts.map(\.id), ["old-photo"])
        XCTAssertEqual(contents.concepts.map(\.function), ["old_photo"])
        XCTAssertEqual(contents.sizes, [[256, 256], [384, 512]])
        XCTAssertEqual(contents.baseDigest, "00ff")
    }

    func testAnotherModelIsRefused() {
        for key in metadata.keys {
            for damage in [nil, "", "{}", "[]", "[[0, 8]]"] {
                var changed = metadata
                changed[key] = damage
                XCTAssertThrowsError(try Contents(metadata: changed), "\(key) = \(damage ?? "nothing")")
            }
        }
    }
}
