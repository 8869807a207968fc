"""The serial protocol of ANT sticks (AMP = D00000652 ANT Message Protocol and Usage; notes = ../shared/ant-hrm.md)."""
