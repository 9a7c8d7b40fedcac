"""The industrial language model: fine-tuning, evaluation and data of LoRA adapters."""
