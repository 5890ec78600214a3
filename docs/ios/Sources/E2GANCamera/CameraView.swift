#if os(iOS)
import E2GANKit
import SwiftUI

/// The camera's picture under a concept, and a choice of those that the package has.
///
/// The app's Info.plist must say why it uses the camera: `NSCameraUsageDescription`.
public struct CameraView: View {
    private let concepts: [Concept]
    @StateObject private var camera: Camera
    @State private var chosen: Concept.ID

    public init(editor: PhotoEditor) {
        let first = editor.concepts[0].id
        concepts = editor.concepts
        _chosen = State(initialValue: first)
        _camera = StateObject(wrappedValue: Camera(editor: editor, concept: first))
    }

    public var body: some View {
        VStack {
            if let picture = camera.picture {
                Image(decorative: picture, scale: 1).resizable().scaledToFit()
            } else {
                ContentUnavailableView(camera.problem ?? "Starting…", systemImage: "camera")
            }
            if concepts.count > 1 {
                Picker("Concept", selection: $chosen) {
                    ForEach(concepts) { Text($0.title).tag($0.id) }
                }
            }
        }
        .onChange(of: chosen) { camera.choose(chosen) }
        .task { await camera.start() }
        .onDisappear { camera.stop() }
    }
}
#endif
