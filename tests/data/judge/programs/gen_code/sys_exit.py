import sys

print('passed')
sys.exit(0)
