#if os(iOS)
import AVFoundation
import Combine
import CoreImage
import E2GANKit

/// The camera's frames, edited; those that come while one is being edited are left out.
final class Camera: NSObject, ObservableObject, AVCaptureVideoDataOutputSampleBufferDelegate, @unchecked Sendable {
    @MainActor @Published private(set) var picture: CGImage?
    @MainActor @Published private(set) var problem: String?

    private let editor: PhotoEditor
    private let session = AVCaptureSession()
    private let queue = DispatchQueue(label: "e2gan.camera")
    private let context = CIContext()
    private var concept: Concept.ID  // of the queue

    init(editor: PhotoEditor, concept: Concept.ID) {
        self.editor = editor
        self.concept = concept
    }

    func choose(_ id: Concept.ID) {
        queue.async { self.concept = id }
    }

    func start() async {
        guard await AVCaptureDevice.requestAccess(for: .video) else {
            return await show(nil, problem: "The camera may not be used: allow it in Settings.")
        }
        queue.async {
            do {
                try self.connect()
                self.session.startRunning()
            } catch {
                Task { await self.show(nil, problem: error.localizedDescription) }
            }
        }
    }

    func stop() {
        queue.async { self.session.stopRunning() }
    }

    private func connect() throws {
        guard session.inputs.isEmpty, let device = AVCaptureDevice.default(for: .video) else { return }
        session.beginConfiguration()
        defer { session.commitConfiguration() }
        session.sessionPreset = .vga640x480
        session.addInput(try AVCaptureDeviceInput(device: device))
        let output = AVCaptureVideoDataOutput()
        output.alwaysDiscardsLateVideoFrames = true
        output.setSampleBufferDelegate(self, queue: queue)
        session.addOutput(output)
        output.connection(with: .video)?.videoRotationAngle = 90  // upright, as the phone is held
    }

    func captureOutput(_ output: AVCaptureOutput, didOutput sample: CMSampleBuffer, from connection: AVCaptureConnection) {
        guard let frame = CMSampleBufferGetImageBuffer(sample) else { return }
        do {
            let edit = CIImage(cvPixelBuffer: try editor.edit(frame, with: concept))
            let picture = context.createCGImage(edit, from: edit.extent)
            Task { await show(picture, problem: nil) }
        } catch {
            Task { await show(nil, problem: error.localizedDescription) }
        }
    }

    @MainActor private func show(_ picture: CGImage?, problem: String?) {
        self.picture = picture
        self.problem = problem
    }
}
#endif
