"""From a trained model to something people use: exports, and the web service."""
