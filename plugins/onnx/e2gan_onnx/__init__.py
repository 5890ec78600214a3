"""E²GAN concepts as ONNX models: exported, checked, and run by the editor."""
