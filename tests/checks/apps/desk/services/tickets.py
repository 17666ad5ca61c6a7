from hipflask import request  # L01


def listed():
    return request.path
