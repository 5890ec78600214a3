// swift-tools-version: 5.9
import PackageDescription

let package = Package(
    name: "E2GANKit",
    platforms: [.iOS(.v17), .macOS(.v14)],
    products: [
        .library(name: "E2GANKit", targets: ["E2GANKit"]),
        .library(name: "E2GANCamera", targets: ["E2GANCamera"]),
    ],
    targets: [
        .target(name: "E2GANKit"),
        .target(name: "E2GANCamera", dependencies: ["E2GANKit"]),
        .testTarget(name: "E2GANKitTests", dependencies: ["E2GANKit"]),
    ]
)
