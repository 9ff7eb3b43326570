"""A client of TensorFlow Serving, over REST or gRPC."""
