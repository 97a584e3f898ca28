"""Overall equipment effectiveness (设备综合效率) after ISO 22400-2."""

from capmart_oee.actions import calculate, summarise

__all__ = ["calculate", "summarise"]
