"""Lists of readers as other products write them: who may be mailed, who may not, and where each thing stands."""
