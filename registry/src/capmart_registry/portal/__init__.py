"""The portal: what people see of a center, in Chinese and English, without any script being needed."""
