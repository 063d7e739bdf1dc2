"""Models that travel: to ONNX, PyTorch, RTNeural and CURRENNT, and back from all but RTNeural."""
